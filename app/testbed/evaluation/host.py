"""Whether times are reliable: how busy the machine was, and whether both ends had the same clock."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from testbed.evaluation.lateness import late, punctual
from testbed.result import CellRecord, HostState, Link
from testbed.units import format_seconds, percent

SHORTEST_S: Final = 0.2
"""In a shorter time a share depends more on when the measurement began than on the machine."""

CPU_PRESSURE_SHARE: Final = 0.5
"""Where tasks waited for a CPU half of the time, times of milliseconds show the host rather than TCP."""
MEMORY_PRESSURE_SHARE: Final = 0.1
STEAL_SHARE: Final = 0.05
THROTTLED_SHARE: Final = 0.01
MISSED_SHARE: Final = 0.2
FEWEST_SAMPLES: Final = 20

_CPU: Final = ("cpu_pressure_share", CPU_PRESSURE_SHARE, "something waited for a CPU")
_OTHER_SHARES: Final = (
    ("memory_pressure_share", MEMORY_PRESSURE_SHARE, "something waited for memory"),
    ("steal_share", STEAL_SHARE, "the processors worked for other machines (steal)"),
)


def host_state(record: CellRecord) -> HostState | None:
    """Return what the sidecars report of the machine during the transfer: the worse of both; None without a report."""
    stopped = [events.get("stopped") or {} for events in record.sidecars.values()]
    hosts = [host for each in stopped if (host := each.get("host"))]
    offsets = (record.sidecars.get("client", {}).get("verified") or {}).get("clock_offset_ns") or {}
    offset = offsets.get("server")
    if not hosts and offset is None:
        return None
    counters = [(each.get("counters") or {}).get("sockets") or {} for each in stopped]
    missed = [_missed_share(each) for each in counters]
    return HostState(
        duration_s=max(((host["until_ns"] - host["from_ns"]) / 1e9 for host in hosts), default=0.0),
        **{
            name: _most(hosts, name)
            for name in HostState.model_fields
            if name.endswith(("pressure_share", "steal_share"))
        },
        throttled_s=_most(hosts, "throttled_s"),
        samples_missed_share=max((share for share in missed if share is not None), default=None),
        clock_offset_ns=None if offset is None else (int(offset[0]), int(offset[1])),
    )


def _most(hosts: list[Mapping[str, Any]], name: str) -> float | None:
    return max((float(host[name]) for host in hosts if name in host), default=None)


def _missed_share(counters: Mapping[str, Any]) -> float | None:
    samples, missed = counters.get("samples"), counters.get("missed")
    if samples is None or missed is None or samples + missed < FEWEST_SAMPLES:
        return None
    return round(float(missed / (samples + missed)), 4)


def timing_issues(state: HostState | None, links: Mapping[str, Link]) -> list[str] | None:
    """Return a clause, with its figure, for each reason why the times are unreliable; None when nothing is known.

    That tasks waited for a CPU is no such reason if the link is known to have been punctual nevertheless.
    """
    found = [sentence] if (sentence := late(links)) else []
    if state is None:
        return found or None
    found += _clock(state)
    if state.duration_s < SHORTEST_S:
        return found or None
    return found + list(_busy(state, known_punctual=bool(punctual(links))))


def timing_notes(state: HostState | None, links: Mapping[str, Link]) -> list[str]:
    """Return a sentence about a busy machine on which the link was punctual."""
    share = state.cpu_pressure_share if state is not None and state.duration_s >= SHORTEST_S else None
    figures = punctual(links)
    if share is None or share <= CPU_PRESSURE_SHARE or not figures:
        return []
    busy = f"{percent(share)} of the time {_CPU[2]}"
    return [f"{busy}; the link was punctual ({figures} late), but the endpoints' programs may have waited"]


def _clock(state: HostState) -> Iterator[str]:
    low_ns, high_ns = state.clock_offset_ns or (0, 0)
    if low_ns > 0 or high_ns < 0:
        least_s = min(abs(low_ns), abs(high_ns)) / 1e9
        yield f"the clocks of the two ends differ by {format_seconds(least_s)} at least"


def _busy(state: HostState, *, known_punctual: bool) -> Iterator[str]:
    for name, most, what in _OTHER_SHARES if known_punctual else (_CPU, *_OTHER_SHARES):
        share = getattr(state, name)
        if share is not None and share > most:
            yield f"{percent(share)} of the time {what}"
    if state.throttled_s is not None and state.throttled_s > THROTTLED_SHARE * state.duration_s:
        yield f"a CPU quota throttled the sidecars for {format_seconds(state.throttled_s)}"
    missed = state.samples_missed_share
    if missed is not None and missed > MISSED_SHARE:
        yield f"{percent(missed)} of the samples were late"
