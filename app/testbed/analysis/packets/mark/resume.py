"""Build the reference tracker's state from frames in order, so that it can start at any frame."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, SYN, Mark
from testbed.analysis.packets.follow.streams import Batch, Direction, Index, previous
from testbed.analysis.packets.mark.reference import (
    NONE,
    UNKNOWN_SCALE,
    FlowState,
    Frame,
    ReferenceTracker,
    set_base_seqs,
)
from testbed.analysis.packets.mark.unacked import MASK, SentSegment, Unacked

FIRST_READ_FRAMES: Final = 32
"""Frames are read from the columns in growing parts, because most stretches are short."""
MAX_READ_FRAMES: Final = 1024
HANDSHAKE_FRAMES: Final = 1000
"""The handshake is searched for in at most so many frames."""

STATE_MARKS: Final = (Mark.KEEP_ALIVE | Mark.ZERO_WINDOW_PROBE).value
"""The marks of a flow's last frame that later frames depend on."""


class Resumer:
    """Makes trackers and frames of a batch; a position is an index into the batch.

    `marks` are those of the fast path, overwritten by those of the reference as it progresses.
    """

    def __init__(
        self, batch: Batch, directions: tuple[Direction, Direction], marks: NDArray[np.uint32], scales: NDArray[np.int8]
    ) -> None:
        self._batch = batch
        self._directions = directions
        self._marks = marks
        self._syns = dict(zip(batch.syn_row.tolist(), batch.syn_scale.tolist(), strict=True))
        self._scales = scales
        self._acks = [_find_acks(fwd) for fwd in directions]
        self._moves = [_find_moves(fwd) for fwd in directions]
        self._handshakes: dict[tuple[int, int], ReferenceTracker] = {}
        """Finished handshakes, by the connection's first frame and the number of SYNs before the position."""

    def frames(self, position: int, stop: int) -> Iterator[Frame]:
        """Yield the frames in [position, stop)."""
        batch, count = self._batch, FIRST_READ_FRAMES
        while position < stop:
            part = slice(position, min(position + count, stop))
            columns = (batch.is_reverse, batch.time_ns, batch.seq, batch.ack, batch.payload_bytes)
            rows: Iterator[tuple[int, ...]]
            rows = zip(*(c[part].tolist() for c in (*columns, batch.tcp_flags, batch.window)), strict=True)
            with_sack = batch.sack_row[slice(*batch.sack_row.searchsorted((part.start, part.stop)))].tolist()
            sacks = {row: self._sack(row) for row in with_sack}
            for at, (is_reverse, *numbers) in enumerate(rows, position):
                frame = Frame(at, int(is_reverse), *numbers)
                frame.window_scale = self._syns.get(at, UNKNOWN_SCALE)
                frame.sack = sacks.get(at)
                yield frame
            position, count = part.stop, min(count * 2, MAX_READ_FRAMES)

    def _sack(self, position: int) -> tuple[int, ...] | None:
        rows = self._batch.sack_row
        at = int(rows.searchsorted(position))
        if at == len(rows) or rows[at] != position:
            return None
        return tuple(self._batch.edges[at, : 2 * int(self._batch.sack_blocks[at])].tolist())

    def tracker(self, connection: int, position: int) -> ReferenceTracker:
        """Return the state before the frame at `position`; requires that all earlier frames are in order."""
        tracker = ReferenceTracker()
        begin = int(self._batch.first[connection])
        counts = [int(fwd.at.searchsorted(position)) for fwd in self._directions]
        for which in (0, 1):
            if counts[which] > self._directions[which].bounds[connection]:
                self._fill(tracker.flows[which], which, connection, counts)
        self._set_handshake(tracker, begin, position)
        return tracker

    def _fill(self, flow: FlowState, which: int, connection: int, counts: list[int]) -> None:
        """Set the state of a flow whose last frame is number `counts[which] - 1` of its direction."""
        fwd, last = self._directions[which], counts[which] - 1
        moved, pushed = self._moves[which]
        flow.next_seq = flow.max_to_be_acked = int(fwd.max_end_seq[last])
        flow.next_seq_time_ns = int(fwd.time_ns[moved[moved.searchsorted(last, side="right") - 1]])
        flow.last_push_bytes = int(fwd.length[pushed[pushed.searchsorted(last, side="right") - 1]])
        flow.last_ack = int(fwd.ack[last])
        flow.last_ack_time_ns = int(fwd.time_ns[last])
        flow.window = int(fwd.window[last])
        flow.last_marks = int(self._marks[fwd.at[last]])
        flow.dup_acks = self._count_duplicates(fwd, int(fwd.bounds[connection]), last)
        flow.awaits_first_ack = bool(fwd.tcp_flags[last] & SYN)
        flow.sack = self._sack(int(fwd.at[last])) or ()
        flow.unacked = self._list_unacked(fwd, connection, counts[which], counts[1 - which])

    def _count_duplicates(self, fwd: Direction, begin: int, last: int) -> int:
        """Count duplicate acknowledgements since the acknowledgement number last changed."""
        changes, empty = self._acks[int(fwd.is_reverse)]
        at = int(changes.searchsorted(last, side="right"))
        since = max(begin, int(changes[at - 1]) if at else 0)
        frames = empty[slice(*empty.searchsorted((since, last + 1)))]
        return int(np.count_nonzero(self._marks[fwd.at[frames]] & Mark.DUPLICATE_ACK.value))

    def _list_unacked(self, fwd: Direction, connection: int, count: int, peer_count: int) -> Unacked:
        rev = self._directions[1 - int(fwd.is_reverse)]
        end = int(fwd.new_data.searchsorted(count))
        begin = int(fwd.new_data_bounds[connection])
        acked = NONE
        if peer_count > rev.bounds[connection]:
            acked = int(rev.max_acked[peer_count - 1])
            begin = max(begin, int(fwd.new_data_end.searchsorted(acked, side="right")))
        unacked = Unacked()
        for frame in fwd.new_data[begin:end].tolist():
            start = int(fwd.start[frame])
            seq = (int(fwd.seq[frame]) + max(acked - start, 0)) & MASK
            end_seq = (int(fwd.seq[frame]) + int(fwd.end[frame]) - start) & MASK
            unacked.add(SentSegment(seq, end_seq, int(fwd.at[frame]), int(fwd.time_ns[frame])))
        return unacked

    def _set_handshake(self, tracker: ReferenceTracker, begin: int, position: int) -> None:
        """Set what only SYNs and the first frames decide: ISNs, window scales, the initial round trip time."""
        rows = self._batch.syn_row
        earlier = slice(*rows.searchsorted((begin, position)).tolist())
        last = int(rows[earlier.stop - 1]) if earlier.stop > earlier.start else begin
        is_over, key = position - last >= HANDSHAKE_FRAMES, (begin, earlier.stop)
        handshake = self._handshakes.get(key) if is_over else None
        if handshake is None:
            handshake = self._find_handshake(begin, position, rows[earlier].tolist())
            if is_over:
                self._handshakes[key] = handshake
        tracker.syn_time_ns, tracker.initial_rtt_ns = handshake.syn_time_ns, handshake.initial_rtt_ns
        scales = self._scales[position].tolist()
        for flow, known, scale in zip(tracker.flows, handshake.flows, scales, strict=True):
            flow.scale, flow.base_seq = scale, known.base_seq

    def _find_handshake(self, begin: int, position: int, syns: list[int]) -> ReferenceTracker:
        """Return a tracker that has only the ISNs and the initial round trip time."""
        tracker, batch = ReferenceTracker(), self._batch
        pure_syns = [row for row in syns if not batch.tcp_flags[row] & ACK]
        if pure_syns:
            self._set_initial_rtt(tracker, pure_syns, position)
        for frame in self.frames(begin, min(position, begin + HANDSHAKE_FRAMES)):
            set_base_seqs(tracker.flows[frame.flow], tracker.flows[1 - frame.flow], frame)
            if all(flow.base_seq != NONE for flow in tracker.flows):
                break
        return tracker

    def _set_initial_rtt(self, tracker: ReferenceTracker, syns: list[int], position: int) -> None:
        """Set the initial round trip time: from a SYN to the first acknowledgement after it."""
        batch = self._batch
        flags = batch.tcp_flags[syns[0] : min(position, syns[0] + HANDSHAKE_FRAMES)]
        acks = np.flatnonzero(flags & (SYN | ACK) == ACK)
        tracker.syn_time_ns = int(batch.time_ns[syns[-1]])
        if len(acks):
            acked_syns = np.array(syns)[np.searchsorted(syns, acks + syns[0]) - 1]
            rtt_ns = batch.time_ns[acks + syns[0]] - batch.time_ns[acked_syns]
            tracker.initial_rtt_ns = int(rtt_ns[np.argmax(rtt_ns > 0)])


def _find_moves(fwd: Direction) -> tuple[Index, Index]:
    """Return the frames that moved the highest sequence number, and those that moved it by more than a SYN or FIN."""
    is_first = np.zeros(len(fwd.at), np.bool_)
    is_first[fwd.starts] = True
    moved = fwd.end > fwd.max_end_before
    pushed = fwd.end - fwd.syn_fin > fwd.max_end_before
    return np.flatnonzero(moved | is_first), np.flatnonzero(pushed | is_first)


def _find_acks(fwd: Direction) -> tuple[Index, Index]:
    """Return the frames that change the acknowledgement number, and those without payload."""
    return np.flatnonzero(fwd.ack != previous(fwd.ack, 0)), np.flatnonzero(fwd.length == 0)


def same_state(tracker: ReferenceTracker, other: ReferenceTracker) -> bool:
    """Return whether two trackers mark all later frames alike."""
    return (tracker.syn_time_ns, tracker.initial_rtt_ns) == (other.syn_time_ns, other.initial_rtt_ns) and all(
        _state(own) == _state(others) for own, others in zip(tracker.flows, other.flows, strict=True)
    )


def _state(flow: FlowState) -> tuple[object, ...]:
    return (
        flow.next_seq,
        flow.next_seq_time_ns,
        flow.max_to_be_acked,
        flow.last_push_bytes,
        flow.last_ack,
        flow.window,
        flow.last_marks & STATE_MARKS,
        flow.dup_acks,
        flow.scale,
        flow.awaits_first_ack,
        flow.base_seq,
        flow.in_flight_valid,
        flow.sack,
        flow.unacked.in_order(),
    )
