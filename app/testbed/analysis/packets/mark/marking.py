"""Mark all frames of a batch: by the fast path, and where a frame is not in order, by the reference."""

from bisect import bisect_left
from typing import Final

import numpy as np

from testbed.analysis.packets.follow.streams import Batch, Direction, both_directions
from testbed.analysis.packets.mark.fast_path import (
    AnalysisColumns,
    BatchOptions,
    PeerState,
    Sacks,
    mark_duplicate_sacks,
    mark_in_order,
    mark_window_probes,
    needs_reference,
)
from testbed.analysis.packets.mark.reference import FrameAnalysis, ReferenceTracker
from testbed.analysis.packets.mark.relative import RelativeNumbers, count_from_isn
from testbed.analysis.packets.mark.resume import Resumer, same_state
from testbed.analysis.packets.mark.scales import Scales, follow_scales

# When to try to return to the fast path: first after FIRST_TRY_FRAMES, then at doubling distances, and only if
# MIN_FAST_FRAMES would follow. Building a state takes as long as about 20 steps of the reference.
FIRST_TRY_FRAMES: Final = 8
MAX_TRY_FRAMES: Final = 256
MIN_FAST_FRAMES: Final = 24


def mark_batch(batch: Batch, columns: AnalysisColumns, relative: RelativeNumbers) -> Scales:
    """Mark each frame of a batch: write into `columns` and `relative`, which must be empty, and return the scales."""
    directions = both_directions(batch)
    scales = follow_scales(batch)
    options = BatchOptions(scales.before, Sacks.of(batch))
    slow = []
    for fwd, rev in (directions, directions[::-1]):
        peer = PeerState.before(fwd, rev)
        mark_in_order(fwd, rev, peer, options, columns)
        slow.append(fwd.at[needs_reference(fwd, rev, peer)])
    resumer = Resumer(batch, directions, columns.marks, scales.before)
    _mark_stretches(batch, resumer, np.sort(np.concatenate(slow)).tolist(), columns)
    _add_own_marks(batch, directions, columns)
    count_from_isn(directions, relative)
    return scales


def mark_by_reference(batch: Batch) -> AnalysisColumns:
    """Return the same columns as `mark_batch`, with every frame marked by the reference: the definition, and slow."""
    directions = both_directions(batch)
    columns = AnalysisColumns.empty(len(batch))
    resumer = Resumer(batch, directions, columns.marks, follow_scales(batch).before)
    for start, stop in zip(batch.first[:-1].tolist(), batch.first[1:].tolist(), strict=True):
        tracker = ReferenceTracker()
        for frame in resumer.frames(start, stop):
            _write(columns, frame.at, tracker.step(frame))
    _add_own_marks(batch, directions, columns)
    return columns


def _add_own_marks(batch: Batch, directions: tuple[Direction, Direction], columns: AnalysisColumns) -> None:
    """Add the marks that Wireshark does not have."""
    for fwd, rev in (directions, directions[::-1]):
        mark_window_probes(fwd, rev, columns)
    mark_duplicate_sacks(batch, columns)


def _mark_stretches(batch: Batch, resumer: Resumer, slow: list[int], columns: AnalysisColumns) -> None:
    """Run the reference from each frame of `slow` that it has not reached yet."""
    ends = batch.first[1:].tolist()
    next_slow = 0
    while next_slow < len(slow):
        position = slow[next_slow]
        connection = int(np.searchsorted(batch.first, position, side="right")) - 1
        position = _mark_stretch(resumer, connection, (position, ends[connection]), slow, columns)
        next_slow = bisect_left(slow, position, lo=next_slow)


def _mark_stretch(
    resumer: Resumer, connection: int, stretch: tuple[int, int], slow: list[int], columns: AnalysisColumns
) -> int:
    """Run the reference from the stretch's start until the fast path is valid again; return where it stopped."""
    start, end = stretch
    tracker = resumer.tracker(connection, start)
    try_at, wait = start + FIRST_TRY_FRAMES, FIRST_TRY_FRAMES
    for frame in resumer.frames(start, end):
        _write(columns, frame.at, tracker.step(frame))
        position = frame.at + 1
        if position < try_at or position == end or not _may_be_in_order(tracker):
            continue
        following = bisect_left(slow, position)
        if following < len(slow) and slow[following] < min(position + MIN_FAST_FRAMES, end):
            try_at = slow[following] + 1
        elif same_state(tracker, resumer.tracker(connection, position)):
            return position
        else:
            wait = min(2 * wait, MAX_TRY_FRAMES)
            try_at = position + wait
    return end


def _write(columns: AnalysisColumns, at: int, analysis: FrameAnalysis) -> None:
    columns.marks[at] = analysis.marks
    columns.in_flight_bytes[at] = analysis.in_flight_bytes
    columns.acked_at[at] = analysis.acked_at
    columns.ack_rtt_ns[at] = analysis.ack_rtt_ns
    columns.rto_ns[at] = analysis.rto_ns


def _may_be_in_order(tracker: ReferenceTracker) -> bool:
    """Return, at low cost, whether the state may be that of frames in order."""
    return all(
        flow.max_to_be_acked == flow.next_seq and flow.in_flight_valid and not flow.unacked.out_of_order
        for flow in tracker.flows
    )
