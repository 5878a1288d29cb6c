"""Impairments that need no stages: a fixed delay for every frame, or none."""

from dataclasses import dataclass

from netem.pipeline.registry import STAGES
from netem.spec.kernel import limit_packets
from netem.spec.model import Impairment


@dataclass(frozen=True, slots=True)
class FixedDelay:
    """The configuration of such an impairment."""

    delay_ns: int
    limit_packets: int
    exempts_nd: bool


def fixed_delay(impairment: Impairment) -> FixedDelay | None:
    """Return the fixed delay and the limit of an impairment, None if it needs more than these."""
    delay = impairment.delay
    if impairment.slot is not None or impairment.extension.filter is not None or (delay and delay.jitter_ns):
        return None
    needed = {name for name, spec in STAGES.items() if spec.config(impairment) is not None}
    if not needed <= {"delay", "limit"}:
        return None
    return FixedDelay(delay.delay_ns if delay else 0, limit_packets(impairment), not impairment.extension.impair_nd)
