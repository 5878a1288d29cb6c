"""The echoes of one round and the delays that follow from their timestamps."""

from collections.abc import Sequence
from typing import NamedTuple

from netem.probe.message import Probe, Reply


class _Echo(NamedTuple):
    """The times of one echo, all CLOCK_MONOTONIC of the one host."""

    echoed_ns: int
    delay_ns: int
    round_trip_ns: int


class Echoes:
    """Collect echoes by sequence number; a duplicate changes nothing."""

    def __init__(self) -> None:
        self._echoes: dict[int, _Echo] = {}

    def __len__(self) -> int:
        """Return how many different probes came back."""
        return len(self._echoes)

    def add(self, echo: Probe, received_ns: int) -> None:
        """Record an echo that the kernel received at `received_ns`."""
        turnaround_ns = echo.echoed_ns - echo.received_ns
        times = _Echo(echo.echoed_ns, received_ns - echo.echoed_ns, received_ns - echo.sent_ns - turnaround_ns)
        self._echoes.setdefault(echo.sequence, times)

    @property
    def delays_ns(self) -> list[int]:
        """The one-way delays from the peer."""
        return [echo.delay_ns for echo in self._echoes.values()]

    @property
    def round_trips_ns(self) -> tuple[int, ...]:
        """The round trips without the peer's turn-around."""
        return tuple(echo.round_trip_ns for echo in self._echoes.values())

    def sent_ns(self, probes_ns: Sequence[int], report: Reply) -> list[int]:
        """Return when the peer sent each echo, in ascending order; for a lost echo, an estimate.

        `probes_ns` are the send times of the probes. The estimate is a probe's send time plus the median delay.
        """
        known = [echo.echoed_ns for echo in self._echoes.values()]
        missing = [sent_ns for sequence, sent_ns in enumerate(probes_ns) if sequence not in self._echoes]
        delay_ns = report.delays.p50 if report.delays else 0
        lost = max(0, report.received - len(known))
        return sorted([*known, *(sent_ns + delay_ns for sent_ns in missing[:lost])])
