"""The parts that the supervisor starts, as ports: their methods, the errors that these raise, and who tears them down.

A unit test of the supervisor implements them without sockets and without privileges; `parts.py` makes the real ones.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from netem.contract.errors import SidecarError
from netem.engines.link import CapturePoint, Link
from netem.spec import Impairment

Handler = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns a request of the control socket into its answer; may raise SidecarError."""


class CapturePort(Protocol):
    """The capture of one endpoint; `start` raises SidecarError, and `stop` also cleans up after a failed start."""

    @property
    def ready(self) -> bool:
        """Whether every point is being captured."""

    def start(self, points: tuple[CapturePoint, ...]) -> None:
        """Start to capture at every point."""

    def mark(self) -> None:
        """Record where the endpoint's traffic begins."""

    def stop(self) -> dict[str, Any] | None:
        """Flush everything into one file and describe it; None without a capture."""


class ResponderPort(Protocol):
    """The responder to the probes of the peers."""

    @property
    def finished(self) -> int:
        """How many probers, one per peer and family, have finished."""

    def close(self) -> None:
        """Close the ports."""


class VerificationPort(Protocol):
    """The probes to the peers; `start` raises SidecarError, and without anything to probe it is done at once."""

    def start(self) -> None:
        """Begin to probe."""

    def unfinished(self) -> list[str]:
        """Return a text for each prober that is not done."""

    def facts(self) -> dict[str, Any]:
        """Return the keys of the event `verified`."""

    def failures(self) -> list[str]:
        """Return a sentence for each direction that is not as requested."""

    def close(self) -> None:
        """Stop the probers that still run."""


class SamplerPort(Protocol):
    """The sampler of the endpoint's sockets; every method may raise SidecarError."""

    def start(self) -> None:
        """Begin to sample."""

    def request_idle(self) -> None:
        """Report `idle` as soon as no connection is left."""

    def stop(self) -> dict[str, int]:
        """Take a last sample and return the sums."""


class MonitorPort(Protocol):
    """The monitor of the host and the kernel, from `ready` on."""

    def start(self, *, sampling: bool) -> None:
        """Begin. Raises SidecarError."""

    def note_traffic(self, begins: bool, /) -> None:  # noqa: FBT001 - a callback
        """Record that there is a first connection, or none left."""

    def stop(self) -> dict[str, Any]:
        """Write everything out and return the keys of the event `stopped`."""


class ControlPort(Protocol):
    """The listener for control requests."""

    def close(self) -> None:
        """Stop listening."""


class Parts(Protocol):
    """Make the parts of one sidecar. Each method may raise SidecarError; the caller tears down what it returns."""

    def route(self) -> Any:  # noqa: ANN401 - JSON for the event `link`
        """Set the metrics of the routes and return what is in force."""

    def sysctls(self) -> dict[str, Any]:
        """Return the settings that the event `link` reports."""

    def link(self, impairment: Impairment, later: Sequence[Impairment]) -> Link:
        """Choose the link; nothing is made yet."""

    def capture(self, on_ready: Callable[[], None], on_failure: Callable[[SidecarError], None]) -> CapturePort:
        """Make the capture."""

    def drop_privileges(self) -> None:
        """Give up what only the start of the link needs."""

    def responder(
        self, describe: Callable[[], str], delay_tolerance_ns: int, on_finished: Callable[[], None]
    ) -> ResponderPort:
        """Open the probe ports."""

    def verification(
        self, impairment: Impairment, delay_tolerance_ns: int, on_done: Callable[[VerificationPort], None]
    ) -> VerificationPort:
        """Make the probers."""

    def control(self, handle: Handler) -> ControlPort:
        """Listen on the control socket."""

    def sampler(self, on_traffic: Callable[[bool], None]) -> SamplerPort:
        """Open what the sampler reads."""

    def monitor(self) -> MonitorPort:
        """Make the monitor of the host."""
