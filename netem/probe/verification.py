"""All probers of a sidecar together: done when each of them is, judged by the worst."""

from collections.abc import Callable
from statistics import median
from typing import Any

from netem.contract.settings import Settings
from netem.probe.prober import Prober
from netem.spec import Impairment
from netem.system.reactor import Reactor


class Verification:
    """Probe every peer over every family at the same time; `on_done` once, with the facts of the `verified` event."""

    def __init__(
        self,
        reactor: Reactor,
        settings: Settings,
        impairment: Impairment,
        on_done: Callable[["Verification"], None],
    ) -> None:
        self._on_done = on_done
        self._probers = [
            Prober(
                reactor,
                peer,
                family,
                impairment=impairment,
                probes=settings.probes,
                late_tolerance_ns=round(settings.delay_tolerance_ms * 1e6),
                on_done=self._one_done,
            )
            for peer in settings.peers
            for family in settings.families
            if settings.probes
        ]
        self._waiting = len(self._probers)
        self.done = not self._probers

    def start(self) -> None:
        """Begin; without anything to probe it is done already. Raises SidecarError."""
        for prober in self._probers:
            prober.start()

    def close(self) -> None:
        """Stop whatever still runs."""
        for prober in self._probers:
            prober.close()

    def facts(self) -> dict[str, Any]:
        """Return the keys of the `verified` event; the round trips of all peers of a family count together."""
        round_trips: dict[str, list[int]] = {}
        for prober in self._probers:
            round_trips.setdefault(prober.family, []).extend(prober.round_trips_ns)
        return {
            "probes": [result for prober in self._probers for result in prober.results],
            "clock_offset_ns": self._clock_offsets(),
            "rtt_ms": {family: _summary_ms(sorted(times)) for family, times in round_trips.items() if times},
        }

    def _clock_offsets(self) -> dict[str, list[int]]:
        """Return for each peer the least and the most that its clock can be ahead, from all families together."""
        found: dict[str, list[int]] = {}
        for prober in self._probers:
            if prober.clock_offset_ns is not None:
                low, high = prober.clock_offset_ns
                known = found.setdefault(prober.peer, [low, high])
                found[prober.peer] = [max(known[0], low), min(known[1], high)]
        return found

    def failures(self) -> list[str]:
        """Return a sentence for each direction that is not as asked."""
        return [
            f"{result['peer']} over {result['family']}, {result['direction']}: {result['sentence']}"
            for prober in self._probers
            for result in prober.results
            if not result["ok"]
        ]

    def unfinished(self) -> list[str]:
        """Return for each prober that is not done what it waits for."""
        return [
            f"{prober.peer} over {prober.family}: could not {prober.stage}"
            for prober in self._probers
            if not prober.done
        ]

    def _one_done(self, _prober: Prober) -> None:
        self._waiting -= 1
        if not self._waiting:
            self.done = True
            self._on_done(self)


def _summary_ms(times_ns: list[int]) -> dict[str, float | int]:
    return {
        "min": times_ns[0] / 1e6,
        "median": median(times_ns) / 1e6,
        "max": times_ns[-1] / 1e6,
        "samples": len(times_ns),
    }
