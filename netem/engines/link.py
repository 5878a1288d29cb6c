"""The port behind which both engines stand, and the plain link, which needs none."""

from dataclasses import dataclass
from typing import Any, Protocol

from netem.contract.errors import SidecarError
from netem.spec import Impairment, format_impairment


@dataclass(frozen=True, slots=True)
class CapturePoint:
    """Where a capture is to look: a device, and whether only at what it receives."""

    device: str
    inbound_only: bool = False


class Link(Protocol):
    """One impaired egress. Every method is called from the supervisor's thread and may raise SidecarError."""

    engine: str
    reason: str
    capture_points: tuple[CapturePoint, ...]
    capture_note: str
    death_fd: int | None
    """Readable once the engine has died; None where nothing can die."""

    def make_devices(self) -> None:
        """Make what a capture needs to start; `capture_points` hold from then on."""

    def start(self) -> None:
        """Put the impairment in force; `close` takes down what an error leaves."""

    def readback(self) -> Any:  # noqa: ANN401 - JSON, in the form of the engine
        """Return what the engine itself says that it carries out."""

    def change(self, impairment: Impairment) -> None:
        """Take another impairment in place; what is queued keeps its times."""

    def restart(self) -> None:
        """Let draws, packet numbers and statistics begin anew, for the traffic that is to be measured."""

    def counters(self) -> dict[str, Any]:
        """Return the statistics of the link so far."""

    def bypass(self) -> None:
        """Give the device its plain egress back, when the engine has died."""

    def abandon(self) -> None:
        """Do what little must be done when the namespace ends with the sidecar."""

    def close(self) -> None:
        """Take everything away that the engine has put up."""


class PlainLink:
    """A link that is left as it is."""

    engine: str = "none"
    death_fd: int | None = None
    capture_note: str = ""

    def __init__(self, device: str, reason: str) -> None:
        self.reason = reason
        self.capture_points: tuple[CapturePoint, ...] = (CapturePoint(device),)

    def make_devices(self) -> None:
        """Do nothing: the device itself is looked at."""

    def start(self) -> None:
        """Do nothing: the link is as it should be."""

    def readback(self) -> None:
        """Return nothing: there is nothing to read back."""

    def change(self, impairment: Impairment) -> None:
        """Refuse: nothing is in the path that could change."""
        raise SidecarError(
            "change the impairment",
            f"this link is plain and has no engine in its path ({format_impairment(impairment)})",
            "start the sidecar with NETEM_ENGINE=user or kernel",
        )

    def restart(self) -> None:
        """Do nothing: nothing is counted."""

    def counters(self) -> dict[str, Any]:
        """Return no statistics."""
        return {}

    def bypass(self) -> None:
        """Do nothing: the link is plain."""

    def abandon(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: nothing was put up."""
