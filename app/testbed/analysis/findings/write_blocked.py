"""Write blocked: where write() stopped, for how long, what was predicted; or why it never did."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from testbed.analysis.events import Calls
from testbed.analysis.findings.evidence import calls
from testbed.analysis.findings.limits import Limit, find_limits, hardly_began
from testbed.analysis.findings.measured import Fact, Measured, Phrase, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoLog, Rule
from testbed.analysis.findings.stall import BOUNDED_BYTES, Stall, find_stall, in_program_bytes
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT

NOTICEABLE_S: Final = 0.01
"""Less waiting than this may be the scheduler's."""
NOTICEABLE_SHARE: Final = 0.05
"""With the kernel's buffers a write may wait once, early, until an acknowledgement lets the send buffer grow."""
BUFFERING_SHARE: Final = 0.5
"""A program that buffers by itself waits for a CPU, at most, in its writes: on a busy machine that takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StallPoints(Fact):
    """Stall points: predicted from the scenario (`before`), from the real buffers, and the most that was held."""

    predicted_before_bytes: int | None = None
    predicted_before_low_bytes: int | None = None
    predicted_before_high_bytes: int | None = None
    predicted_bytes: int | None = None
    predicted_low_bytes: int | None = None
    predicted_high_bytes: int | None = None
    held_max_bytes: int | None = None

    @property
    def expected_bytes(self) -> int | None:
        """The better of the two predictions."""
        return self.predicted_before_bytes if self.predicted_bytes is None else self.predicted_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBlocked(StallPoints):
    """Writes that waited.

    `stall_bytes` is the most that was accepted and not read while a write waited for a closed window; where it is
    null, `waited_for` is what limited the sender. The two parts of the prediction are null together.
    """

    blocked_s: float
    duration_s: float
    blocked_share: float
    blocked_writes: int
    writes: int
    longest_s: float
    first_blocked_at_bytes: int
    first_blocked_at_s: float
    stall_bytes: int | None = None
    waited_for: Limit | None = None
    predicted_receiver_bytes: int | None = None
    predicted_sender_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteNotBlocked(StallPoints):
    """Writes that hardly waited although the receiver had no room, and the buffers that took the bytes.

    `in_program_max_bytes` is null unless the program buffers by itself.
    """

    written_bytes: int
    write_s: float
    longest_s: float
    waited_s: float
    closed_s: float
    window_closed: bool
    sndbuf_bytes: int | None = None
    rcvbuf_bytes: int | None = None
    in_program_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class OffPrediction(Fact):
    """How far the bytes held are from the prediction, as a share of it."""

    difference_share: float


@dataclass(frozen=True, slots=True)
class UnexplainedWait(Fact):
    """Writes took so long in all, and nothing blocked them."""

    write_s: float


def measure(observation: Observation) -> Answer:
    """Measure writes that waited, and writes that did not although the receiver had no room."""
    writes = observation.sender.calls("write")
    if writes is None:
        return unobservable(NoLog(observation.sender.role))
    blocked_s = float(writes.duration_ns[writes.blocked].sum()) / 1e9
    duration_s = observation.duration_s or 0.0
    inside = 0 if observation.timeline is None else int(in_program_bytes(observation.timeline).max(initial=0))
    noticeable_s = max(NOTICEABLE_S, duration_s * (BUFFERING_SHARE if inside > BOUNDED_BYTES else NOTICEABLE_SHARE))
    if not hardly_began(observation) and blocked_s >= noticeable_s:
        return _blocked(observation, writes, blocked_s)
    if observation.zero_window_periods or inside > BOUNDED_BYTES:
        return _not_blocked(observation, writes, blocked_s, inside)
    if blocked_s >= NOTICEABLE_S:
        return not_applicable(UnexplainedWait(blocked_s))
    return not_applicable("no write() had to wait, and the receiver always had room")


def _blocked(observation: Observation, writes: Calls, blocked_s: float) -> Measured[WriteBlocked]:
    which = np.flatnonzero(writes.blocked)
    first = int(which[0])
    stall = find_stall(observation)
    duration_s = observation.duration_s or blocked_s
    at_rest = _stall_bytes(observation)
    point = None if at_rest is None else stall.after or stall.before
    return Measured(
        WriteBlocked(
            blocked_s=round(blocked_s, 6),
            duration_s=round(duration_s, 6),
            blocked_share=round(min(1.0, blocked_s / duration_s), 4),
            blocked_writes=len(which),
            writes=len(writes),
            longest_s=round(float(writes.duration_ns.max()) / 1e9, 6),
            first_blocked_at_bytes=int(writes.total_bytes[first] - writes.size_bytes[first]),
            first_blocked_at_s=round(float(writes.start_ns[first] - writes.start_ns[0]) / 1e9, 6),
            stall_bytes=at_rest,
            # Where the buffers were never full while a write waited, the stall point was not reached.
            waited_for=_waited_for(observation) if at_rest is None else None,
            predicted_receiver_bytes=None if point is None else point.receiver_bytes,
            predicted_sender_bytes=None if point is None else point.sender_bytes,
            **_points(stall),
        ),
        evidence=calls(observation.sender, writes, writes.blocked, "writes that took a millisecond or more"),
        contradicted_by=_off_band(stall, at_rest),
        not_observed=_not_observed(stall),
        strength=round(min(1.0, blocked_s / duration_s), 3),
    )


def _not_blocked(observation: Observation, writes: Calls, waited_s: float, inside: int) -> Measured[WriteNotBlocked]:
    stall = find_stall(observation)
    closed_s = observation.closed_ns / 1e9
    share = min(1.0, closed_s / observation.sending_s) if observation.sending_s else 0.5
    return Measured(
        WriteNotBlocked(
            written_bytes=int(writes.total_bytes[-1]),
            write_s=round(float(writes.end_ns[-1] - writes.start_ns[0]) / 1e9, 6),
            longest_s=round(float(writes.duration_ns.max()) / 1e9, 6),
            waited_s=round(waited_s, 6),
            closed_s=round(closed_s, 6),
            window_closed=bool(observation.zero_window_periods),
            sndbuf_bytes=None if stall.after is None else stall.after.sndbuf_bytes,
            rcvbuf_bytes=None if stall.after is None else stall.after.rcvbuf_bytes,
            in_program_max_bytes=inside if inside > BOUNDED_BYTES else None,
            **_points(stall),
        ),
        evidence=calls(observation.sender, writes, np.ones(len(writes), np.bool_), "all writes"),
        not_observed=_not_observed(stall),
        strength=round(0.95 * share, 3),
    )


def _points(stall: Stall) -> dict[str, int | None]:
    found: dict[str, int | None] = {"held_max_bytes": stall.held_bytes}
    for name, point in (("predicted_before", stall.before), ("predicted", stall.after)):
        if point is not None:
            found[f"{name}_bytes"] = point.bytes
            found[f"{name}_low_bytes"] = point.low_bytes
            found[f"{name}_high_bytes"] = point.high_bytes
    return found


def _stall_bytes(observation: Observation) -> int | None:
    """Return the most that was accepted and not read while a write waited for a closed window."""
    timeline = observation.timeline
    if timeline is None:
        return None
    full = (timeline.in_progress_bytes > 0) & (timeline.held_bytes != ABSENT) & observation.closed_at(timeline.at_ns)
    return int(timeline.held_bytes[full].max()) if full.any() else None


def _waited_for(observation: Observation) -> Limit | None:
    limits = find_limits(observation)
    return limits.limit if limits is not None else None


def _off_band(stall: Stall, at_rest: int | None) -> list[Phrase]:
    point = stall.after or stall.before
    if point is None or at_rest is None or point.low_bytes <= at_rest <= point.high_bytes:
        return []
    return [OffPrediction(at_rest / point.bytes - 1)]


def _not_observed(stall: Stall) -> list[Phrase]:
    return [] if stall.held_bytes is not None else ["how many bytes the buffers held: no samples of both ends"]


RULE: Final = Rule(
    "write-blocked",
    "Did write() block, after which byte, for how long, as predicted; and if not, why not?",
    "the log of writes, send queue, receive queue, `sndbuf`, `rcvbuf`",
    (WriteBlocked, WriteNotBlocked),
    measure,
)
