"""Put a machine into the state that regular frames have led to, so that it can go on from any frame."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, SYN, Mark
from testbed.analysis.packets.follow.streams import Batch, Index, Side, previous
from testbed.analysis.packets.mark.reference import NONE, UNKNOWN_SCALE, Flow, Frame, Machine, settle_bases
from testbed.analysis.packets.mark.unacked import MASK, Segment, Unacked

FIRST_STEP: Final = 32  # frames are taken from the columns in growing steps: most stretches are short
LAST_STEP: Final = 1024
HANDSHAKE_FRAMES: Final = 1000  # the handshake is looked for in so many frames at most


class Resumer:
    """Makes machines and frames of a batch; a position is an index into the batch."""

    def __init__(
        self, batch: Batch, sides: tuple[Side, Side], marks: NDArray[np.uint32], scales: NDArray[np.int8]
    ) -> None:
        self._batch = batch
        self._sides = sides
        self._marks = marks  # of the regular frames, and of the others as they are found
        self._syns = dict(zip(batch.syn_row.tolist(), batch.syn_scale.tolist(), strict=True))
        self._scales = scales
        self._acks = [_acks_of(side) for side in sides]
        self._moved = [_moves_of(side) for side in sides]
        self._handshakes: dict[tuple[int, int], Machine] = {}  # looked up once a connection, when it is over

    def frames(self, position: int, stop: int) -> Iterator[Frame]:
        """Yield the frames from a position on, up to the position `stop`."""
        batch, step = self._batch, FIRST_STEP
        while position < stop:
            part = slice(position, min(position + step, stop))
            columns = (batch.second, batch.time_ns, batch.seq, batch.ack, batch.payload_bytes)
            rows: Iterator[tuple[int, ...]]
            rows = zip(*(c[part].tolist() for c in (*columns, batch.tcp_flags, batch.window)), strict=True)
            sacked = batch.sack_row[slice(*batch.sack_row.searchsorted((part.start, part.stop)))].tolist()
            sacks = {row: self._sack(row) for row in sacked}
            for at, (second, *others) in enumerate(rows, position):
                frame = Frame(at, int(second), *others)
                frame.window_scale = self._syns.get(at, UNKNOWN_SCALE)
                frame.sack = sacks.get(at)
                yield frame
            position, step = part.stop, min(step * 2, LAST_STEP)

    def _sack(self, position: int) -> tuple[int, ...] | None:
        rows = self._batch.sack_row
        at = int(rows.searchsorted(position))
        if at == len(rows) or rows[at] != position:
            return None
        return tuple(self._batch.edges[at, : 2 * int(self._batch.sack_blocks[at])].tolist())

    def machine(self, connection: int, position: int) -> Machine:
        """Return the state before the frame at `position`, all frames of the connection before it being regular."""
        machine = Machine()
        begin = int(self._batch.first[connection])
        counts = [int(side.at.searchsorted(position)) for side in self._sides]
        for which in (0, 1):
            if counts[which] > self._sides[which].bounds[connection]:
                self._fill(machine.flows[which], which, connection, counts)
        self._settle_handshake(machine, begin, position)
        return machine

    def _fill(self, flow: Flow, which: int, connection: int, counts: list[int]) -> None:
        side, last = self._sides[which], counts[which] - 1
        moved, pushed = self._moved[which]
        flow.next_seq = flow.max_to_be_acked = int(side.top_seq[last])
        flow.next_seq_time_ns = int(side.time_ns[moved[moved.searchsorted(last, side="right") - 1]])
        flow.last_push_bytes = int(side.length[pushed[pushed.searchsorted(last, side="right") - 1]])
        flow.last_ack = int(side.ack[last])
        flow.last_ack_time_ns = int(side.time_ns[last])
        flow.window = int(side.window[last])
        flow.last_marks = int(self._marks[side.at[last]])
        flow.dup_acks = self._count_duplicates(side, int(side.bounds[connection]), last)
        flow.awaits_first_ack = bool(side.tcp_flags[last] & SYN)
        flow.sack = self._sack(int(side.at[last])) or ()
        flow.unacked = self._list_unacked(side, connection, counts[which], counts[1 - which])

    def _count_duplicates(self, side: Side, begin: int, last: int) -> int:
        """Count duplicate acknowledgements since the acknowledgement number last changed."""
        changes, empty = self._acks[int(side.second)]
        at = int(changes.searchsorted(last, side="right"))
        since = max(begin, int(changes[at - 1]) if at else 0)
        frames = empty[slice(*empty.searchsorted((since, last + 1)))]
        return int(np.count_nonzero(self._marks[side.at[frames]] & Mark.DUPLICATE_ACK.value))

    def _list_unacked(self, side: Side, connection: int, count: int, peer_count: int) -> Unacked:
        other = self._sides[1 - int(side.second)]
        end = int(side.listed.searchsorted(count))
        begin = int(side.listed_bounds[connection])
        acked = NONE
        if peer_count > other.bounds[connection]:
            acked = int(other.acked_top[peer_count - 1])
            begin = max(begin, int(side.listed_end.searchsorted(acked, side="right")))
        unacked = Unacked()
        for frame in side.listed[begin:end].tolist():
            start = int(side.start[frame])
            seq = (int(side.seq[frame]) + max(acked - start, 0)) & MASK
            end_seq = (int(side.seq[frame]) + int(side.end[frame]) - start) & MASK
            unacked.add(Segment(seq, end_seq, int(side.at[frame]), int(side.time_ns[frame])))
        return unacked

    def _settle_handshake(self, machine: Machine, begin: int, position: int) -> None:
        """Set what only SYNs and the first frames decide: first numbers, window scales, the first round trip."""
        rows = self._batch.syn_row
        seen = slice(*rows.searchsorted((begin, position)).tolist())
        last = int(rows[seen.stop - 1]) if seen.stop > seen.start else begin
        is_over, key = position - last >= HANDSHAKE_FRAMES, (begin, seen.stop)
        settled = self._handshakes.get(key) if is_over else None
        if settled is None:
            settled = self._find_handshake(begin, position, rows[seen].tolist())
            if is_over:
                self._handshakes[key] = settled
        machine.syn_time_ns, machine.initial_rtt_ns = settled.syn_time_ns, settled.initial_rtt_ns
        scales = self._scales[position].tolist()
        for flow, known, scale in zip(machine.flows, settled.flows, scales, strict=True):
            flow.scale, flow.base_seq = scale, known.base_seq

    def _find_handshake(self, begin: int, position: int, syns: list[int]) -> Machine:
        """Return a machine that knows the first numbers and the first round trip only."""
        machine, batch = Machine(), self._batch
        pure = [row for row in syns if not batch.tcp_flags[row] & ACK]
        if pure:
            self._settle_round_trip(machine, pure, position)
        for frame in self.frames(begin, min(position, begin + HANDSHAKE_FRAMES)):
            settle_bases(machine.flows[frame.side], machine.flows[1 - frame.side], frame)
            if all(flow.base_seq != NONE for flow in machine.flows):
                break
        return machine

    def _settle_round_trip(self, machine: Machine, syns: list[int], position: int) -> None:
        """Set the first round trip: from a SYN to the first acknowledgement after it."""
        batch = self._batch
        flags = batch.tcp_flags[syns[0] : min(position, syns[0] + HANDSHAKE_FRAMES)]
        answers = np.flatnonzero(flags & (SYN | ACK) == ACK)
        machine.syn_time_ns = int(batch.time_ns[syns[-1]])
        if len(answers):
            requested = np.array(syns)[np.searchsorted(syns, answers + syns[0]) - 1]
            took = batch.time_ns[answers + syns[0]] - batch.time_ns[requested]
            machine.initial_rtt_ns = int(took[np.argmax(took > 0)])


def _moves_of(side: Side) -> tuple[Index, Index]:
    """Return the frames that moved the highest sequence number, and those that did so with more than a SYN or FIN."""
    first = np.zeros(len(side.at), np.bool_)
    first[side.starts] = True
    moved = side.end > side.top_before
    pushed = side.end - side.extra > side.top_before
    return np.flatnonzero(moved | first), np.flatnonzero(pushed | first)


def _acks_of(side: Side) -> tuple[Index, Index]:
    """Return the frames whose acknowledgement number is another than the one before's, and those without payload."""
    return np.flatnonzero(side.ack != previous(side.ack, 0)), np.flatnonzero(side.length == 0)
