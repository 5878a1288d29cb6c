"""A profile at work: the impairment changes by the sidecar's own clock, from the moment it is ready."""

import json
from collections.abc import Callable

from netem.contract.errors import SidecarError, from_spec_error
from netem.spec import Impairment, SpecError
from netem.spec.profile import parse_profile
from netem.system.reactor import Reactor, Timer


class ProfileRunner:
    """Carry out the schedule in `text` (a JSON list); `change` gets each impairment when its time has come."""

    def __init__(self, reactor: Reactor, text: str, change: Callable[[Impairment], None]) -> None:
        """Read the schedule. Raises SidecarError."""
        self._reactor = reactor
        self._change = change
        self._timer: Timer | None = None
        self._began_ns = 0
        try:
            self._profile = parse_profile(json.loads(text))
        except SpecError as error:
            raise from_spec_error("read the profile", error) from error
        except ValueError as error:
            raise SidecarError("read the profile", f"no JSON: {error}", "give NETEM_PROFILE a JSON list") from error

    def impairments(self) -> tuple[Impairment, ...]:
        """Return all that the link will be, one after another."""
        return tuple(change.impairment for change in self._profile.changes)

    def start(self, began_ns: int) -> None:
        """Begin: time 0 of the profile is `began_ns`, a moment ago at most; what is due already comes at once."""
        self._began_ns = began_ns
        self._advance(-1)

    def stop(self) -> None:
        """Leave the impairment as it is now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self, elapsed_ns: int) -> None:
        following = self._profile.next_after(elapsed_ns)
        if following is not None:
            at_ns, impairment = following.at_ns, following.impairment
            self._timer = self._reactor.call_at(self._began_ns + at_ns, lambda: self._take(at_ns, impairment))

    def _take(self, at_ns: int, impairment: Impairment) -> None:
        self._change(impairment)
        self._advance(at_ns)
