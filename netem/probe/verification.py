"""All probers of a sidecar: the verification has finished when each of them has, and it fails when one fails."""

from collections.abc import Callable
from statistics import median
from typing import Any

from netem.contract.for_probes import for_probes
from netem.contract.settings import Family, Settings
from netem.engines.resources import read_resources
from netem.probe.config import ProbeConfig
from netem.probe.message import FRAME_OVERHEAD_BYTES, PROBE_BYTES
from netem.probe.model import expect
from netem.probe.prober import Prober
from netem.probe.series import ProbeSeries
from netem.spec import Impairment
from netem.system.reactor import Reactor


class Verification:
    """Probe every peer over every family at the same time; call `on_done` when the last of them has finished."""

    def __init__(
        self,
        reactor: Reactor,
        settings: Settings,
        impairment: Impairment,
        on_done: Callable[["Verification"], None],
    ) -> None:
        self._on_done = on_done
        self._probers = [
            Prober(reactor, _config(settings, impairment, peer, family), self._on_prober_done)
            for peer in settings.peers
            for family in settings.families
            if settings.probes
        ]
        self._waiting = len(self._probers)

    def start(self) -> None:
        """Begin; without peers or probes nothing happens, and nothing is unfinished. Raises SidecarError."""
        for prober in self._probers:
            prober.start()

    def close(self) -> None:
        """Stop every prober."""
        for prober in self._probers:
            prober.close()

    def facts(self) -> dict[str, Any]:
        """Return the keys of the `verified` event; `rtt_ms` pools the round trips of all peers of a family."""
        round_trips: dict[str, list[int]] = {}
        for series in self._series:
            round_trips.setdefault(series.config.family, []).extend(series.round_trips_ns)
        return {
            "probes": [result.facts() for series in self._series for result in series.results],
            "clock_offset_ns": self._clock_offsets(),
            "rtt_ms": {family: _summary_ms(sorted(times)) for family, times in round_trips.items() if times},
        }

    def failures(self) -> list[str]:
        """Return a sentence for each direction that failed."""
        return [
            f"{result.peer} over {result.family}, {result.direction}: {result.sentence}"
            for series in self._series
            for result in series.results
            if not result.ok
        ]

    def unfinished(self) -> list[str]:
        """Return what each prober that has not finished is doing."""
        return [prober.status for prober in self._probers if not prober.done]

    @property
    def _series(self) -> list[ProbeSeries]:
        return [prober.series for prober in self._probers]

    def _clock_offsets(self) -> dict[str, list[int]]:
        """Return for each peer how far its clock is ahead, at least and at most; all families narrow the interval."""
        offsets: dict[str, list[int]] = {}
        for series in self._series:
            if series.clock_offset_ns is not None:
                low, high = series.clock_offset_ns
                known = offsets.setdefault(series.config.peer, [low, high])
                offsets[series.config.peer] = [max(known[0], low), min(known[1], high)]
        return offsets

    def _on_prober_done(self, _prober: Prober) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._on_done(self)


def _config(settings: Settings, impairment: Impairment, peer: str, family: Family) -> ProbeConfig:
    frame_bytes = PROBE_BYTES + FRAME_OVERHEAD_BYTES[family]
    return ProbeConfig(
        peer=peer,
        family=family,
        impairment=for_probes(impairment),
        probes=settings.probes,
        frame_bytes=frame_bytes,
        delay_tolerance_ns=round(settings.delay_tolerance_ms * 1e6),
        expect=lambda each, sent_ns: expect(each, sent_ns, frame_bytes, read_resources(each)),
    )


def _summary_ms(times_ns: list[int]) -> dict[str, float | int]:
    return {
        "min": times_ns[0] / 1e6,
        "median": median(times_ns) / 1e6,
        "max": times_ns[-1] / 1e6,
        "samples": len(times_ns),
    }
