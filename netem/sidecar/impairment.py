"""Hold the impairment in force and apply every change to it: from the profile or from the control socket."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from netem.contract.errors import SidecarError, from_spec_error
from netem.contract.events import EventStream
from netem.engines.link import Link
from netem.spec import Impairment, SpecError, format_impairment, parse


def read_impairment(text: str, *, impair_nd: bool) -> Impairment:
    """Parse an impairment; `impair_nd` adds the word `nd`. Raises SidecarError."""
    try:
        return _with_nd(parse(text), impair_nd=impair_nd)
    except SpecError as error:
        raise from_spec_error("read the impairment", error) from error


def _with_nd(impairment: Impairment, *, impair_nd: bool) -> Impairment:
    if not impair_nd:
        return impairment
    return replace(impairment, extension=replace(impairment.extension, impair_nd=True))


class ActiveImpairment:
    """The impairment in force on a link."""

    def __init__(self, link: Link, events: EventStream, impairment: Impairment, *, impair_nd: bool) -> None:
        self._link = link
        self._events = events
        self._impairment = impairment
        self._impair_nd = impair_nd

    @property
    def impairment(self) -> Impairment:
        """The impairment."""
        return self._impairment

    def text(self) -> str:
        """Return the impairment in the words of the contract."""
        return format_impairment(self._impairment)

    def change(self, impairment: Impairment) -> None:
        """Apply another impairment and report it. Raises SidecarError."""
        impairment = _with_nd(impairment, impair_nd=self._impair_nd)
        self._link.change(impairment)
        self._impairment = impairment
        self._events.emit("change", impairment=self.text())

    def change_to_text(self, text: str) -> None:
        """Parse `text` and apply it. Raises SidecarError."""
        self.change(read_impairment(text, impair_nd=self._impair_nd))


class ChangeHandler:
    """Handle the requests of the control socket: a change by hand ends the profile."""

    def __init__(self, active: ActiveImpairment, stop_profile: Callable[[], None]) -> None:
        self._active = active
        self._stop_profile = stop_profile

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Apply one request and return the answer. Raises SidecarError."""
        if request.get("command") != "change":
            raise SidecarError("read the request", f"no command {request.get('command')!r}")
        self._stop_profile()
        self._active.change_to_text(str(request.get("impairment", "")))
        return {"impairment": self._active.text()}
