"""Write blocked: where write() stopped, for how long, what was predicted; or why it never did."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from testbed.analysis.findings.evidence import calls
from testbed.analysis.findings.limits import Limit, find_limits, hardly_began
from testbed.analysis.findings.rule import NO_LOG, Answer, Rule, percent, silent, unseen
from testbed.analysis.findings.stall import BOUNDED_BYTES, Stall, find_stall, in_program_bytes
from testbed.analysis.join.calls import Calls
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT
from testbed.result import Finding
from testbed.units import format_bytes, format_seconds, pluralize

NAME: Final = "write-blocked"

NOTICEABLE_S: Final = 0.01
"""Less waiting than this may be the scheduler's."""
NOTICEABLE_SHARE: Final = 0.05
"""With the kernel's buffers a write may wait once, early, until an acknowledgement lets the send buffer grow."""
BUFFERING_SHARE: Final = 0.5
"""A program that buffers by itself waits for a CPU, at most, in its writes: on a busy machine that takes longer."""

WAITED_FOR: Final[dict[Limit, str]] = {
    "receiver": "; the data waited for the receiver to read",
    "window": "; the window let no more out at once",
    "network": "; the receiver had room, the data waited for the network",
    "send buffer": "; what filled the buffer was on its way",
    "application": "",
}
"""What blocked writes waited for, by what limited the sender, where no closed window was at rest."""


def explain(observation: Observation) -> Answer:
    """Speak when writes had to wait, and when they did not although the receiver had no room."""
    writes = observation.sender.calls("write")
    if writes is None:
        return unseen(NAME, NO_LOG.format(role=observation.sender.role))
    blocked_s = float(writes.duration_ns[writes.blocked].sum()) / 1e9
    duration_s = observation.duration_s or 0.0
    inside = 0 if observation.timeline is None else int(in_program_bytes(observation.timeline).max(initial=0))
    noticeable_s = max(NOTICEABLE_S, duration_s * (BUFFERING_SHARE if inside > BOUNDED_BYTES else NOTICEABLE_SHARE))
    if not hardly_began(observation) and blocked_s >= noticeable_s:
        return _blocked(observation, writes, blocked_s)
    if observation.zero_window_periods or inside > BOUNDED_BYTES:
        return _swallowed(observation, writes, blocked_s, inside)
    if blocked_s >= NOTICEABLE_S:
        return silent(NAME, f"writes took {format_seconds(blocked_s)} in all, but nothing was in their way")
    return silent(NAME, "no write() had to wait, and the receiver always had room")


def _blocked(observation: Observation, writes: Calls, blocked_s: float) -> Answer:
    which = np.flatnonzero(writes.blocked)
    first = int(which[0])
    stall = find_stall(observation)
    duration_s = observation.duration_s or blocked_s
    first_bytes = int(writes.total_bytes[first] - writes.size_bytes[first])
    numbers: dict[str, float | int | str] = {
        "blocked_s": round(blocked_s, 6),
        "blocked_share": round(min(1.0, blocked_s / duration_s), 4),
        "blocked_writes": len(which),
        "writes": len(writes),
        "longest_s": round(float(writes.duration_ns.max()) / 1e9, 6),
        "first_blocked_at_bytes": first_bytes,
        "first_blocked_at_s": round(float(writes.start_ns[first] - writes.start_ns[0]) / 1e9, 6),
    }
    numbers |= _predicted(stall)
    at_rest = _stall_bytes(observation)
    if at_rest is not None:
        numbers["stall_bytes"] = at_rest
    # Where the buffers were never full while a write waited, the stall point was not reached.
    compared = _waited_for(observation) if at_rest is None else _comparison(stall, at_rest)
    sentence = (
        f"write() was blocked for {format_seconds(blocked_s)} of {format_seconds(duration_s)} in "
        f"{pluralize(len(which), 'call')}, the longest {format_seconds(float(numbers['longest_s']))}; "
        f"{first_blocked(numbers)}{compared}."
    )
    return Finding(
        name=NAME,
        sentence=sentence,
        numbers=numbers,
        evidence=calls(observation.sender, writes, writes.blocked, "writes that took a millisecond or more"),
        contradicting=_off_band(stall, at_rest),
        not_observed=_unknown(stall),
        strength=round(min(1.0, blocked_s / duration_s), 3),
    )


def _swallowed(observation: Observation, writes: Calls, waited_s: float, inside: int) -> Answer:
    stall = find_stall(observation)
    took_s = float(writes.end_ns[-1] - writes.start_ns[0]) / 1e9
    total, closed_s = int(writes.total_bytes[-1]), observation.closed_ns / 1e9
    numbers: dict[str, float | int | str] = {
        "written_bytes": total,
        "write_s": round(took_s, 6),
        "longest_s": round(float(writes.duration_ns.max()) / 1e9, 6),
        "waited_s": round(waited_s, 6),
        "closed_s": round(closed_s, 6),
    }
    numbers |= _predicted(stall)
    if inside > BOUNDED_BYTES:
        numbers["in_program_max_bytes"] = inside
    buffers = "the socket buffers of the two kernels held all that was not read"
    if stall.after is not None:
        buffers = (
            f"the sender's socket buffer ({format_bytes(stall.after.sndbuf_bytes)}) and the receiver's "
            f"({format_bytes(stall.after.rcvbuf_bytes)}) have room for about {format_bytes(stall.after.bytes)}"
        )
    if inside > BOUNDED_BYTES:
        buffers = f"up to {format_bytes(inside)} of them were still in the program, which buffers by itself"
    closed = (
        f"closed for {format_seconds(closed_s)}" if observation.zero_window_periods else "exhausted again and again"
    )
    share = min(1.0, closed_s / observation.sending_s) if observation.sending_s else 0.5
    return Finding(
        name=NAME,
        sentence=(
            f"{hardly(waited_s)}: all {format_bytes(total)} were accepted within {format_seconds(took_s)}, "
            f"although the receiver's window was {closed}: {buffers}. Timing the writes alone shows "
            "nothing."
        ),
        numbers=numbers,
        evidence=calls(observation.sender, writes, np.ones(len(writes), np.bool_), "all writes"),
        not_observed=_unknown(stall),
        strength=round(0.95 * share, 3),
    )


def first_blocked(numbers: Mapping[str, Any]) -> str:
    """Return where the first write had to wait."""
    accepted = numbers["first_blocked_at_bytes"]
    return f"first after {format_bytes(accepted)}" if accepted else "from the first write on"


def hardly(waited_s: float) -> str:
    """Return the beginning of a sentence about writes that waited for no time to speak of."""
    if not waited_s:
        return "No write() was blocked"
    return f"write() was hardly blocked ({format_seconds(waited_s)} in all)"


def _predicted(stall: Stall) -> dict[str, float | int | str]:
    numbers: dict[str, float | int | str] = {}
    for name, point in (("predicted_before", stall.before), ("predicted", stall.after)):
        if point is not None:
            numbers[f"{name}_bytes"] = point.bytes
            numbers[f"{name}_low_bytes"] = point.low_bytes
            numbers[f"{name}_high_bytes"] = point.high_bytes
    if stall.held_bytes is not None:
        numbers["held_max_bytes"] = stall.held_bytes
    return numbers


def _stall_bytes(observation: Observation) -> int | None:
    """Return the most that was accepted and not read while a write waited before a closed window."""
    timeline = observation.timeline
    if timeline is None:
        return None
    full = (timeline.going_on_bytes > 0) & (timeline.held_bytes != ABSENT) & observation.closed_at(timeline.at_ns)
    return int(timeline.held_bytes[full].max()) if full.any() else None


def _waited_for(observation: Observation) -> str:
    limits = find_limits(observation)
    return WAITED_FOR[limits.limit] if limits is not None else ""


def _comparison(stall: Stall, at_rest: int) -> str:
    point = stall.after or stall.before
    if point is None:
        return f". With the buffers full, {format_bytes(at_rest)} were accepted and not yet read"
    return (
        f". With the buffers full, {format_bytes(at_rest)} were accepted and not yet read; predicted are "
        f"{format_bytes(point.bytes)}: {format_bytes(point.receiver_bytes)} in the receiver's buffer and "
        f"{format_bytes(point.sender_bytes)} in the sender's"
    )


def _off_band(stall: Stall, at_rest: int | None) -> list[str]:
    point = stall.after or stall.before
    if point is None or at_rest is None or point.low_bytes <= at_rest <= point.high_bytes:
        return []
    off = at_rest / point.bytes - 1
    return [f"the bytes held are {percent(abs(off))} {'more' if off > 0 else 'less'} than predicted"]


def _unknown(stall: Stall) -> list[str]:
    return [] if stall.held_bytes is not None else ["how many bytes the buffers held: no samples of both ends"]


RULE: Final = Rule(
    NAME,
    "Did write() block, after which byte, for how long, as predicted; and if not, why not?",
    "the log of writes, send queue, receive queue, `sndbuf`, `rcvbuf`",
    explain,
)
