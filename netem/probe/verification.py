"""All probers of a sidecar: the verification has finished when each of them has, and it fails when one fails."""

from collections.abc import Callable
from typing import Any

from netem.contract.for_probes import for_probes
from netem.contract.settings import Family, Settings
from netem.engines.resources import read_resources
from netem.probe import summary
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
        delay_tolerance_ns: int,
        on_done: Callable[["Verification"], None],
    ) -> None:
        self._on_done = on_done
        self._probers = [
            Prober(reactor, _config(settings, impairment, delay_tolerance_ns, peer, family), self._on_prober_done)
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
        """Return the keys of the `verified` event."""
        return summary.facts(self._series)

    def failures(self) -> list[str]:
        """Return a sentence for each direction that failed."""
        return summary.failures(self._series)

    def unfinished(self) -> list[str]:
        """Return what each prober that has not finished is doing."""
        return [prober.status for prober in self._probers if not prober.done]

    @property
    def _series(self) -> list[ProbeSeries]:
        return [prober.series for prober in self._probers]

    def _on_prober_done(self, _prober: Prober) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._on_done(self)


def _config(
    settings: Settings, impairment: Impairment, delay_tolerance_ns: int, peer: str, family: Family
) -> ProbeConfig:
    frame_bytes = PROBE_BYTES + FRAME_OVERHEAD_BYTES[family]
    return ProbeConfig(
        peer=peer,
        family=family,
        impairment=for_probes(impairment),
        probes=settings.probes,
        frame_bytes=frame_bytes,
        delay_tolerance_ns=delay_tolerance_ns,
        expect=lambda each, sent_ns: expect(each, sent_ns, frame_bytes, read_resources(each)),
    )
