"""Conservation: bytes accepted = bytes read + the receiver's queue + the sender's queue, exactly, where nothing moves.

In a stalled state with nothing in flight every byte must be in one of three places. (What has arrived and is not yet
acknowledged would count at both ends: an acknowledgement may be delayed by 40 ms, longer than a sample.) A gap means
that an instrument missed something: samples, calls, or a connection that is not the one under test.
"""

from dataclasses import dataclass

import numpy as np

from testbed.analysis.join.samples import ABSENT, Int64
from testbed.analysis.join.timeline import Flags, Timeline


@dataclass(frozen=True, slots=True)
class Conservation:
    """`states` stalled states were checked, at the samples `checked`.

    `gap_bytes` has, for each of them, how far the sum is from what the log of writes allows: 0 when exact.
    `partly_written_bytes` is the largest part of a blocked write that the kernel had accepted.
    """

    checked: Int64
    states: int
    gap_bytes: Int64
    by_log: bool
    partly_written_bytes: int

    @property
    def violated(self) -> Flags:
        """Return for each checked sample whether the sum is wrong."""
        found: Flags = self.gap_bytes != 0
        return found

    @property
    def exact(self) -> bool:
        """Whether the sum is exact everywhere."""
        return not self.gap_bytes.any()


def check(timeline: Timeline) -> Conservation:
    """Check every stalled state; a blocked write may have been accepted in part or as a whole."""
    at = np.flatnonzero(
        timeline.stalled
        & (timeline.in_flight_bytes <= 0)
        & (timeline.read_bytes != ABSENT)
        & (timeline.receive_queue_bytes != ABSENT)
        & (timeline.accepted_bytes != ABSENT)
    )
    found = timeline.read_bytes[at] + timeline.receive_queue_bytes[at] + timeline.send_queue_bytes[at]
    by_log = bool(len(at)) and bool((timeline.written_bytes[at] != ABSENT).all())
    least = timeline.written_bytes[at] if by_log else timeline.accepted_bytes[at]
    most = least + (timeline.in_progress_bytes[at] if by_log else 0)
    gap = np.where(found < least, found - least, np.where(found > most, found - most, 0))
    part = np.where(gap == 0, found - least, 0)
    return Conservation(
        checked=at,
        states=_states(timeline, at),
        gap_bytes=gap,
        by_log=by_log,
        partly_written_bytes=int(part.max()) if len(part) else 0,
    )


def _states(timeline: Timeline, at: Int64) -> int:
    """Count the different states among the checked samples: runs of samples with the same numbers."""
    if not len(at):
        return 0
    rows = np.stack([timeline.accepted_bytes[at], timeline.acked_bytes[at], timeline.read_bytes[at]])
    changes = (np.diff(rows, axis=1) != 0).any(axis=0) | (np.diff(at) != 1)
    return int(changes.sum()) + 1
