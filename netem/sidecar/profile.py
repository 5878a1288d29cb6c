"""Run a profile: the impairment changes by the sidecar's own clock, from the moment it is ready."""

import json
from collections.abc import Callable, Iterator, Sequence

from netem.contract.errors import SidecarError, from_spec_error
from netem.spec import Impairment, SpecError
from netem.spec.profile import Change, parse_profile
from netem.system.reactor import Reactor, Timer


def read_profile(text: str) -> tuple[Change, ...]:
    """Return the changes of a profile (a JSON list) in order of time; an empty text has none. Raises SidecarError."""
    if not text:
        return ()
    try:
        return parse_profile(json.loads(text)).changes
    except SpecError as error:
        raise from_spec_error("read the profile", error) from error
    except ValueError as error:
        raise SidecarError("read the profile", f"no JSON: {error}", "give NETEM_PROFILE a JSON list") from error


class ProfileRunner:
    """Call `apply` with each impairment at its time."""

    def __init__(self, reactor: Reactor, changes: Sequence[Change], apply: Callable[[Impairment], None]) -> None:
        self._reactor = reactor
        self._pending: Iterator[Change] = iter(changes)
        self._apply = apply
        self._timer: Timer | None = None

    def start(self, began_ns: int) -> None:
        """Begin: time 0 of the profile is `began_ns`, which has just passed; changes that are due apply at once."""
        self._schedule_next(began_ns)

    def stop(self) -> None:
        """Cancel all pending changes; the current impairment stays."""
        self._pending = iter(())
        if self._timer is not None:
            self._timer.cancel()

    def _schedule_next(self, began_ns: int) -> None:
        change = next(self._pending, None)
        if change is not None:
            self._timer = self._reactor.call_at(began_ns + change.at_ns, lambda: self._run(change, began_ns))

    def _run(self, change: Change, began_ns: int) -> None:
        self._apply(change.impairment)
        self._schedule_next(began_ns)
