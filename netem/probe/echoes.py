"""The echoes of one round and the delays that follow from their timestamps."""

from collections.abc import Sequence
from typing import NamedTuple

from netem.probe.message import Probe, Reply
from netem.probe.send_times import SendTimes


class _Echo(NamedTuple):
    """The times of one echo, all CLOCK_MONOTONIC of the one host."""

    probe_received_ns: int
    received_ns: int


class Echoes:
    """Collect echoes by sequence number; a duplicate changes nothing."""

    def __init__(self) -> None:
        self._echoes: dict[int, _Echo] = {}
        self._echoed = SendTimes()

    def __len__(self) -> int:
        """Return how many different probes came back."""
        return len(self._echoes)

    def add(self, echo: Probe, received_ns: int) -> None:
        """Record an echo that the kernel received at `received_ns`."""
        self._echoed.add(echo, echo.echoed_ns)
        self._echoes.setdefault(echo.sequence, _Echo(echo.received_ns, received_ns))

    @property
    def delays_ns(self) -> list[int]:
        """The one-way delays from the peer."""
        return [echo.received_ns - self._echoed[sequence] for sequence, echo in self._echoes.items()]

    def round_trips_ns(self, probes_ns: Sequence[int]) -> tuple[int, ...]:
        """Return the round trips without the peer's turn-around; `probes_ns` are the send times of the probes."""
        return tuple(
            echo.received_ns - probes_ns[sequence] - (self._echoed[sequence] - echo.probe_received_ns)
            for sequence, echo in self._echoes.items()
        )

    def sent_ns(self, probes_ns: Sequence[int], report: Reply) -> list[int]:
        """Return when the peer sent each echo, in ascending order; for a lost echo, an estimate.

        `probes_ns` are the send times of the probes. The estimate is a probe's send time plus the median delay.
        """
        known = [self._echoed[sequence] for sequence in self._echoes]
        missing = [sent_ns for sequence, sent_ns in enumerate(probes_ns) if sequence not in self._echoes]
        delay_ns = report.delays.p50 if report.delays else 0
        lost = max(0, report.received - len(known))
        return sorted([*known, *(sent_ns + delay_ns for sent_ns in missing[:lost])])
