"""Delay and jitter: `sch_netem.c tabledist`."""

from collections.abc import Sequence
from functools import lru_cache

from netem.pipeline.correlation import source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import Resources, StageContext, State
from netem.pipeline.tables import SCALE, table
from netem.spec.model import Delay


def scaled(sigma_ns: int, value: int) -> int:
    """Return sigma times value / 8192, rounded as the kernel does."""
    low = (sigma_ns % SCALE) * value
    low = (low + SCALE // 2) // SCALE if low >= 0 else -((-low + SCALE // 2) // SCALE)
    return low + (sigma_ns // SCALE) * value


def offsets(distribution: str | None, jitter_ns: int, resources: Resources) -> Sequence[int] | None:
    """Return what each entry of the table adds to the delay, None for a draw without a table."""
    if distribution in (None, "uniform"):
        return None
    return _scaled_table(jitter_ns, tuple(table(str(distribution), resources.tables)))


@lru_cache(maxsize=8)
def _scaled_table(jitter_ns: int, values: tuple[int, ...]) -> list[int]:
    """Return the scaled table; a profile that changes another number of the impairment must not scale it again."""
    return [scaled(jitter_ns, value) for value in values]


class DelayStage:
    """Delay every packet by a time that may vary."""

    def __init__(self, context: StageContext) -> None:
        delay = context.impairment.delay or Delay(0)
        self._counters = context.counters
        self._delay_ns = delay.delay_ns
        self._jitter_ns = delay.jitter_ns
        self._span_ns = 2 * delay.jitter_ns
        self.offsets = offsets(delay.distribution, delay.jitter_ns, context.resources)
        """What the entries of the table add to the delay, None for a uniform draw."""
        true = context.impairment.extension.true_correlation
        self._source = source(context.rng, delay.correlation, true_correlation=true)
        self._draw = self._source.draw

    def apply(self, packet: Packet) -> None:
        """Add the drawn delay; the sum may be negative, and the packet then overtakes others."""
        delay_ns = self._delay_ns
        if self._span_ns:
            drawn, table_offsets = self._draw(), self.offsets
            if table_offsets is None:
                delay_ns += drawn % self._span_ns - self._jitter_ns
            else:
                delay_ns += table_offsets[drawn % len(table_offsets)]
        packet.due_ns += delay_ns
        if delay_ns > 0:
            self._counters.delayed += 1

    def export_state(self) -> State:
        """Return the configuration and, where they matter, the draws."""
        draws = self._source.export_state() if self._span_ns else {}
        return draws | {"delay_ns": self._delay_ns, "jitter_ns": self._jitter_ns}

    def import_state(self, state: State) -> None:
        """Continue the draws."""
        if self._span_ns:
            self._source.import_state(state)
