"""Make the real parts of a sidecar, in the network namespace that it runs in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.events import EventStream
from netem.contract.settings import Settings
from netem.engines.choose import choose_link
from netem.engines.link import CapturePoint, Link
from netem.observe.capture import Capture
from netem.observe.host_monitor import HostMonitor
from netem.observe.socket_sampler import SocketSampler
from netem.probe.responder import Responder
from netem.probe.verification import Verification
from netem.sidecar.control import CONTROL_SOCKET, ControlServer
from netem.sidecar.ports import (
    CapturePort,
    ControlPort,
    Handler,
    MonitorPort,
    ResponderPort,
    SamplerPort,
    VerificationPort,
)
from netem.spec import Impairment
from netem.system import capabilities
from netem.system.reactor import Reactor
from netem.system.route import set_route_metrics
from netem.system.sysctls import read_sysctls


class NoCapture:
    """A capture that the settings switch off."""

    ready = True

    def start(self, points: tuple[CapturePoint, ...]) -> None:
        """Do nothing."""

    def mark(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Return None: there is no file."""


class SystemParts:
    """Make the real parts in this network namespace."""

    def __init__(self, reactor: Reactor, settings: Settings, events: EventStream) -> None:
        self._reactor = reactor
        self._settings = settings
        self._events = events
        self._folder = Path(settings.output)

    def route(self) -> Any:  # noqa: ANN401 - JSON
        """Set the metrics of the routes."""
        return set_route_metrics(self._settings.device, self._settings.families, self._settings.route_metrics)

    def sysctls(self) -> dict[str, Any]:
        """Read the sysctls that the event `link` reports."""
        return read_sysctls(self._settings.sysctls)

    def link(self, impairment: Impairment, later: Sequence[Impairment]) -> Link:
        """Choose the emulation engine."""
        return choose_link(self._settings, impairment, later)

    def capture(self, on_ready: Callable[[], None], on_failure: Callable[[SidecarError], None]) -> CapturePort:
        """Create the capture."""
        if not self._settings.capture:
            return NoCapture()
        return Capture(
            self._reactor,
            self._folder,
            port=self._settings.port,
            snaplen_bytes=self._settings.snaplen_bytes,
            max_bytes=self._settings.capture_max_bytes,
            on_ready=on_ready,
            on_failure=on_failure,
        )

    def drop_privileges(self) -> None:
        """Give up the capability for a real-time policy: the engine's process has used it."""
        capabilities.drop(capabilities.SYS_NICE)

    def responder(
        self, describe: Callable[[], str], delay_tolerance_ns: int, on_finished: Callable[[], None]
    ) -> ResponderPort:
        """Open the probe ports."""
        return Responder(self._reactor, describe, delay_tolerance_ns, on_finished)

    def verification(
        self, impairment: Impairment, delay_tolerance_ns: int, on_done: Callable[[VerificationPort], None]
    ) -> VerificationPort:
        """Make a prober for every peer and family."""
        return Verification(self._reactor, self._settings, impairment, delay_tolerance_ns, on_done)

    def control(self, handle: Handler) -> ControlPort:
        """Listen on the control socket."""
        return ControlServer(self._reactor, CONTROL_SOCKET, handle)

    def sampler(self, on_traffic: Callable[[bool], None]) -> SamplerPort:
        """Open the netlink sockets and sockets.csv."""
        return SocketSampler(
            self._reactor,
            self._events,
            port=self._settings.port,
            interval_ms=self._settings.sample_interval_ms,
            folder=self._folder,
            on_traffic=on_traffic,
        )

    def monitor(self) -> MonitorPort:
        """Make the monitor of the host."""
        return HostMonitor(self._reactor, self._folder)
