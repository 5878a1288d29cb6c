"""A device's egress: redirected to the user engine, or left in the kernel while the link is plain, and counted there.

clsact counts each frame that the device is about to send, before a filter decides: the segments of a super-packet and
their bytes as on the wire. What passes between two readings while nothing is redirected has stayed in the kernel. The
batch that changes the redirect also reads, so only the frames of some microseconds are attributed wrongly.
"""

from typing import Any, NamedTuple

from netem.contract.errors import SidecarError
from netem.engines.user import redirect
from netem.system import tc


class _Traffic(NamedTuple):
    packets: int = 0
    bytes: int = 0


class Egress:
    """The hook at the egress of one device. Every method may raise SidecarError and then changes nothing."""

    def __init__(self, device: str, tap: str, probe_tap: str) -> None:
        self._device = device
        self._tap = tap
        self._probe_tap = probe_tap
        self._installed = False
        self._last = _Traffic()
        self._passed = _Traffic()
        self.redirected = False
        """Whether everything goes to the engine, not the probes alone."""

    def install(self, *, redirected: bool) -> None:
        """Set up the hook."""
        lines = redirect.install(self._device, self._probe_tap)
        lines += redirect.begin(self._device, self._tap) if redirected else []
        tc.batch(f"redirect the egress of {self._device} to the user engine", lines)
        self._installed, self.redirected = True, redirected

    def begin_redirect(self) -> None:
        """Redirect everything: once this has returned, no frame passes the engine."""
        if self._installed and not self.redirected:
            self._change(redirect.begin(self._device, self._tap), redirected=True)

    def end_redirect(self) -> None:
        """Leave everything but the probes in the kernel."""
        if self.redirected:
            self._change(redirect.end(self._device), redirected=False)

    def remove(self) -> None:
        """Remove the hook."""
        if self._installed:
            self._installed = self.redirected = False
            tc.batch(f"remove the redirect of {self._device}", redirect.remove(self._device))

    def targets(self) -> list[str]:
        """Return the devices to which the kernel redirects. Raises SidecarError when they are not the wanted ones."""
        filters = tc.show("filter", "show", "dev", self._device, "egress")
        actions = [action for rule in filters for action in rule.get("options", {}).get("actions", [])]
        found = sorted({action["to_dev"] for action in actions if "to_dev" in action})
        if found != sorted([self._tap] * self.redirected + [self._probe_tap]):
            raise SidecarError("read the redirect back", f"the egress of {self._device} is redirected to {found}")
        return found

    def restart(self) -> None:
        """Count from zero."""
        self._count([])
        self._passed = _Traffic()

    def bypassed(self) -> dict[str, int]:
        """Return what has stayed in the kernel since `restart`."""
        self._count([])
        return self._passed._asdict()

    def _change(self, lines: list[str], *, redirected: bool) -> None:
        self._count(lines)
        self.redirected = redirected

    def _count(self, lines: list[str]) -> None:
        """Run commands, and add what has passed by now if it has stayed in the kernel."""
        if not self._installed or (self.redirected and not lines):
            return
        shown = tc.batch(f"change the redirect of {self._device}", [*lines, *redirect.count(self._device)])
        now = _read(shown)
        if not self.redirected:
            self._passed = _Traffic(*(sum(each) for each in zip(self._passed, _since(self._last, now), strict=True)))
        self._last = now


def _read(shown: list[Any]) -> _Traffic:
    if not shown[-1]:
        message = "the device has no clsact any more"
        raise SidecarError("count the egress", message, tc.hint_for("Qdisc not found. To create"))
    qdisc = shown[-1][0]
    return _Traffic(int(qdisc["packets"]), int(qdisc["bytes"]))


def _since(before: _Traffic, now: _Traffic) -> _Traffic:
    return _Traffic(now.packets - before.packets, now.bytes - before.bytes)
