"""The port of both emulation engines, and the plain link, which needs no engine."""

from dataclasses import dataclass
from typing import Any, Protocol

from netem.contract.errors import SidecarError
from netem.spec import Impairment, format_impairment


@dataclass(frozen=True, slots=True)
class CapturePoint:
    """Where to capture: a device, and whether only frames that it receives."""

    device: str
    inbound_only: bool = False


class Link(Protocol):
    """One impaired egress. The supervisor calls every method from its one thread; each may raise SidecarError."""

    engine: str
    reason: str
    capture_points: tuple[CapturePoint, ...]
    capture_note: str
    scheduling: str | None
    """The policy of the process in the path, "deadline ...", "fifo ..." or "ordinary: REASON"; None without one."""
    death_fd: int | None
    """Readable once the engine's process has died; None without such a process."""

    def make_devices(self) -> None:
        """Create the devices that a capture needs; `capture_points` are final afterwards."""

    def start(self) -> None:
        """Apply the impairment; after an error `close` removes what is left of it."""

    def readback(self) -> Any:  # noqa: ANN401 - JSON, in the form of the engine
        """Return the impairment as the engine itself reports it."""

    def change(self, impairment: Impairment) -> None:
        """Apply another impairment in place; queued packets keep their due times."""

    def restart(self) -> None:
        """Reset random draws, packet numbers and statistics before the measured traffic begins."""

    def counters(self) -> dict[str, Any]:
        """Return the statistics of the link so far."""

    def bypass(self) -> None:
        """Restore the plain egress of the device after the engine has died."""

    def block(self) -> None:
        """Drop what the device sends, after the engine has died; what it impaired is dropped in any case."""

    def abandon(self) -> None:
        """Do the minimum before the network namespace ends together with the sidecar."""

    def close(self) -> None:
        """Remove everything that the engine has set up."""


class PlainLink:
    """A link without an impairment."""

    engine: str = "none"
    scheduling: str | None = None
    death_fd: int | None = None
    capture_note: str = ""

    def __init__(self, device: str, reason: str) -> None:
        self.reason = reason
        self.capture_points: tuple[CapturePoint, ...] = (CapturePoint(device),)

    def make_devices(self) -> None:
        """Do nothing: the capture uses the device itself."""

    def start(self) -> None:
        """Do nothing: there is nothing to apply."""

    def readback(self) -> None:
        """Return None: there is nothing to read back."""

    def change(self, impairment: Impairment) -> None:
        """Raise SidecarError: the path has no engine that could change."""
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

    def block(self) -> None:
        """Do nothing: there is no engine that could die."""

    def abandon(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: nothing was set up."""
