"""Find and remove the leftovers of runs in the engine, by label only."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from testbed.errors import HostError
from testbed.ownership import KEEP, OWNER, RUN, Owner, is_dead, parse_owner
from testbed.stack.ports import Found, Handle, Resources

THREADS: Final = 8
"""Removals run in parallel; the engine serialises them where it has to."""

_ORDER: Final = ("container", "volume", "network")


def remove_all(engine: Resources, handles: Iterable[Handle]) -> list[HostError]:
    """Remove containers first, then what they used; return the errors of failed removals."""
    handles = list(handles)
    failures: list[HostError] = []

    def remove(handle: Handle) -> None:
        try:
            engine.remove(handle)
        except HostError as error:
            failures.append(error)

    with ThreadPoolExecutor(THREADS) as pool:
        containers = [handle for handle in handles if handle.kind == "container"]
        list(pool.map(remove, containers))
        list(pool.map(remove, sorted((h for h in handles if h not in containers), key=lambda h: _ORDER.index(h.kind))))
    return failures


def leftovers(
    engine: Resources,
    me: Owner,
    *,
    kept: bool = True,
    everything: bool = False,
    older_than_s: float = 0.0,
    now_s: float = 0.0,
) -> list[Found]:
    """Return the resources whose owner is dead for certain; with `everything`, all with our labels.

    Without `kept`, resources of runs with --keep are excluded. `older_than_s` excludes what is younger at `now_s`
    (seconds since the epoch).
    """
    chosen = []
    for found in engine.find(RUN):
        owner = parse_owner(found.labels.get(OWNER, ""))
        if not everything and (owner is None or not is_dead(owner, me)):
            continue
        if not kept and KEEP in found.labels:
            continue
        if older_than_s and now_s - found.created_s < older_than_s:
            continue
        chosen.append(found)
    return chosen
