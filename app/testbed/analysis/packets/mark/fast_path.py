"""Mark the frames that continue their stream in order, all at once, and list the frames that need the reference.

Which frames the fast path marks correctly is in docs/packets.md. For them the state of the rules is a column: the next
sequence number is a running maximum, the peer's window is that of its last frame, and the unacknowledged segments are
those between the highest acknowledgement and the highest sequence number.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, FIN, RST, SYN, Mark
from testbed.analysis.packets.follow.streams import BELOW_ALL, Batch, Direction, Flags, Index, previous
from testbed.analysis.packets.mark.reference import (
    MAX_IN_FLIGHT_BYTES,
    MAX_UNACKED_SEGMENTS,
    NO_WINDOW,
    NONE,
    UNKNOWN_SCALE,
)

TOO_FAR: Final = 1 << 30
"""An acknowledgement this far back may compare as after the end of an old segment."""


@dataclass(frozen=True, slots=True)
class AnalysisColumns:
    """The marks and numbers of each frame of a batch; `acked_at` is an index into the batch, -1 for none."""

    marks: NDArray[np.uint32]
    in_flight_bytes: Index
    acked_at: Index
    ack_rtt_ns: Index
    rto_ns: Index

    @staticmethod
    def empty(count: int) -> "AnalysisColumns":
        """Return room for `count` frames."""
        none = np.full(count, NONE, np.int64)
        return AnalysisColumns(np.zeros(count, np.uint32), np.zeros(count, np.int64), none, none.copy(), none.copy())


@dataclass(frozen=True, slots=True)
class Sacks:
    """The SACK options of a batch: `has` for each frame, `row` and the SACKed bytes for each frame with an option."""

    has: Flags
    row: Index
    sacked_bytes: Index

    @staticmethod
    def of(batch: Batch) -> "Sacks":
        """Return the SACK options of a batch."""
        has = np.zeros(len(batch), np.bool_)
        has[batch.sack_row] = True
        return Sacks(has, batch.sack_row, (batch.edges[:, 1::2] - batch.edges[:, ::2]).astype(np.int64).sum(axis=1))


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The TCP options of a batch: the negotiated scales before each frame, one column a flow, and the SACKs."""

    scales: NDArray[np.int8]
    sacks: Sacks


@dataclass(frozen=True, slots=True)
class PeerState:
    """The state of `rev` before each frame of `fwd`: the numbers of its last frame.

    Where it has no frame yet, `ack` is 0, `window` is `NO_WINDOW` and `max_acked` is `BELOW_ALL`.
    """

    ack: NDArray[np.uint32]
    window: NDArray[np.uint32]
    max_acked: Index

    @staticmethod
    def before(fwd: Direction, rev: Direction) -> "PeerState":
        """Return the state of `rev` before all frames of `fwd`."""
        return PeerState(
            fwd.of_peer(rev.ack, 0),
            fwd.of_peer(rev.window.astype(np.uint32), NO_WINDOW),
            fwd.of_peer(rev.max_acked, BELOW_ALL),
        )


def needs_reference(fwd: Direction, rev: Direction, peer: PeerState) -> Flags:
    """Return for each frame of `fwd` whether only the reference marks it correctly."""
    gap, has_data = fwd.gap, fwd.length > 0
    needs: Flags = gap > 0
    needs |= gap < -TOO_FAR
    repeats = gap < 0
    repeats |= fwd.start < peer.max_acked
    repeats &= fwd.end > fwd.start
    needs |= repeats
    is_acked = (fwd.end_seq - peer.ack).view(np.int32) <= 0
    is_acked &= has_data
    is_acked &= peer.ack != 0
    needs |= is_acked
    needs |= (peer.window == 0) & (fwd.length == 1)
    acks_uncaptured = fwd.ack_gap > 0
    acks_uncaptured |= fwd.ack_gap < -TOO_FAR
    acks_uncaptured |= fwd.tcp_flags & ACK == 0
    acks_uncaptured &= fwd.has_peer
    needs |= acks_uncaptured
    needs |= ~fwd.has_peer & has_data & (fwd.end_seq == NO_WINDOW)
    repeats_syn = fwd.tcp_flags & SYN != 0
    repeats_syn[fwd.starts] = False
    needs |= repeats_syn
    needs |= previous(fwd.max_end_seq, 1) == 0  # 0, and at the start -1, mean "not known yet" to the reference
    needs[fwd.starts] |= fwd.seq[fwd.starts] + np.uint32(1) <= 1
    if _may_exceed_unacked(fwd, peer):
        needs |= _count_unacked(fwd, rev) >= MAX_UNACKED_SEGMENTS
    return needs


def _may_exceed_unacked(fwd: Direction, peer: PeerState) -> bool:
    """Return, at low cost, whether a flow may have had `MAX_UNACKED_SEGMENTS` segments unacknowledged."""
    if not len(fwd.starts) or int(np.diff(fwd.new_data_bounds).max()) < MAX_UNACKED_SEGMENTS:
        return False
    later = fwd.new_data[MAX_UNACKED_SEGMENTS - 1 :]
    exceeds = fwd.new_data_end[: -MAX_UNACKED_SEGMENTS + 1] > peer.max_acked[later]
    return bool(exceeds.any())


def _count_unacked(fwd: Direction, rev: Direction) -> Index:
    sent = np.searchsorted(fwd.new_data, np.arange(len(fwd.at)))
    acked = fwd.of_peer(np.searchsorted(fwd.new_data_end, rev.max_acked, side="right"), 0)
    unacked: Index = sent - np.maximum(acked, fwd.per_frame(fwd.new_data_bounds[:-1][fwd.present]))
    return unacked


def mark_in_order(
    fwd: Direction, rev: Direction, peer: PeerState, options: BatchOptions, columns: AnalysisColumns
) -> None:
    """Write the marks and numbers of all frames of `fwd` into `columns`, as if all of them were in order."""
    at = fwd.at
    plain = fwd.tcp_flags & (SYN | FIN | RST) == 0
    is_zero = fwd.window == 0
    has_data = fwd.length > 0
    marks = np.zeros(len(at), np.uint32)
    marks[is_zero & plain] = Mark.ZERO_WINDOW
    marks[_is_keep_alive(fwd, plain)] |= np.uint32(Mark.KEEP_ALIVE)

    repeats_ack = (fwd.gap == 0) & (fwd.ack == previous(fwd.ack, 0))
    repeats_ack &= plain
    repeats_ack &= ~(has_data | is_zero)
    repeats_ack[fwd.starts] = False
    which = np.flatnonzero(repeats_ack)
    marks[which] |= _mark_repeated_acks(fwd, rev, which, options.sacks)

    is_full = _fills_window(fwd, rev, peer, options.scales)
    is_full &= has_data
    is_full &= plain
    marks[is_full] |= np.uint32(Mark.WINDOW_FULL)
    columns.marks[at] = marks
    columns.in_flight_bytes[at] = _in_flight(fwd, rev, peer, options.sacks)
    _match_acks(fwd, rev, columns)


def _is_keep_alive(fwd: Direction, plain: Flags) -> Flags:
    found: Flags = (fwd.gap == -1) & (fwd.length <= 1) & plain
    found[fwd.starts] = False
    return found


def _mark_repeated_acks(fwd: Direction, rev: Direction, which: Index, sacks: Sacks) -> NDArray[np.uint32]:
    """Return the marks of frames without data that repeat the sequence and acknowledgement number before them."""
    answers_keep_alive = np.zeros(len(which), np.bool_)
    if len(rev.at) and len(which):
        peer = fwd.peer[which]
        is_first = np.zeros(len(rev.at), np.bool_)
        is_first[rev.starts] = True
        answers_keep_alive = (rev.gap[peer] == -1) & (rev.length[peer] <= 1) & ~is_first[peer] & fwd.has_peer[which]
        answers_keep_alive &= rev.tcp_flags[peer] & (SYN | FIN | RST) == 0
    updates_window = fwd.window[which] != fwd.window[which - 1]
    if len(sacks.row):
        answers_keep_alive &= ~updates_window
        updates_window &= ~sacks.has[fwd.at[which]]
    marks = np.where(answers_keep_alive, np.uint32(Mark.KEEP_ALIVE_ACK), np.uint32(Mark.DUPLICATE_ACK))
    return np.where(updates_window, np.uint32(Mark.WINDOW_UPDATE), marks)


def _fills_window(fwd: Direction, rev: Direction, peer: PeerState, scales: NDArray[np.int8]) -> Flags:
    scale = scales[fwd.at, 1 - int(fwd.is_reverse)]
    edge = peer.window << np.maximum(scale, 0).astype(np.uint32)
    if len(rev.at):
        after_syn = np.flatnonzero((rev.tcp_flags & SYN != 0).take(fwd.peer))
        edge[after_syn] = peer.window[after_syn]  # a SYN's window is not scaled
    edge += peer.ack
    fills: Flags = fwd.end_seq == edge
    fills &= fwd.has_peer
    fills &= scale != UNKNOWN_SCALE
    return fills


def _in_flight(fwd: Direction, rev: Direction, peer: PeerState, sacks: Sacks) -> Index:
    opening = fwd.start[fwd.starts]
    begins, ends = (bounds[fwd.present] for bounds in (fwd.new_data_bounds[:-1], fwd.new_data_bounds[1:]))
    sends = begins < ends
    opening[sends] = fwd.start[fwd.new_data[begins[sends]]]
    in_flight: Index = fwd.max_end - np.maximum(peer.max_acked, fwd.per_frame(opening))
    if len(sacks.row) and len(rev.at):
        after_sack = np.flatnonzero(sacks.has[rev.at].take(fwd.peer) & fwd.has_peer)
        option = np.searchsorted(sacks.row, rev.at[fwd.peer[after_sack]])
        in_flight[after_sack] -= sacks.sacked_bytes[option]
    valid = (in_flight > 0) & (in_flight < MAX_IN_FLIGHT_BYTES)
    valid &= fwd.length > 0
    in_flight -= fwd.syn_fin
    in_flight *= valid
    return in_flight


def _match_acks(fwd: Direction, rev: Direction, columns: AnalysisColumns) -> None:
    """Find the segment that each new acknowledgement ends in."""
    if not len(rev.new_data):
        return
    new = np.flatnonzero(fwd.acked > previous(fwd.max_acked, BELOW_ALL))
    acked = fwd.acked[new]
    segment = np.minimum(np.searchsorted(rev.new_data_end, acked), len(rev.new_data) - 1)
    frame = rev.new_data[segment]
    matches = (rev.start[frame] < acked) & (rev.end[frame] >= acked) & (frame <= fwd.peer[new])
    if not matches.all():
        new, acked, frame = new[matches], acked[matches], frame[matches]
    at = fwd.at[new]
    columns.acked_at[at] = rev.at[frame]
    columns.ack_rtt_ns[at] = fwd.time_ns[new] - rev.time_ns[frame]
    inside = at[rev.end[frame] != acked]
    columns.marks[inside] |= np.uint32(Mark.PARTIAL_ACK)


def mark_window_probes(fwd: Direction, rev: Direction, columns: AnalysisColumns) -> None:
    """Add WINDOW_PROBE: a keep-alive while the peer's last window is zero, which is how Linux probes a zero window."""
    probes = np.flatnonzero(columns.marks[fwd.at] & Mark.KEEP_ALIVE)
    if len(probes) and len(rev.at):
        is_zero = fwd.has_peer[probes] & (rev.window[fwd.peer[probes]] == 0)
        columns.marks[fwd.at[probes[is_zero]]] |= np.uint32(Mark.WINDOW_PROBE)


def mark_duplicate_sacks(batch: Batch, columns: AnalysisColumns) -> None:
    """Add DUPLICATE_SACK: the receiver reports that data arrived twice.

    The first block is then below the acknowledgement number, or within the second block (RFC 2883, section 4); of the
    latter, Wireshark checks only where it ends.
    """
    row, blocks, edges = batch.sack_row, batch.sack_blocks, batch.edges
    end = edges[:, 1]
    is_acked = (blocks > 0) & ((end - batch.ack[row]).view(np.int32) <= 0)
    is_within = (blocks > 1) & ((edges[:, 2] - end).view(np.int32) < 0) & ((end - edges[:, 3]).view(np.int32) <= 0)
    columns.marks[row[is_acked | is_within]] |= np.uint32(Mark.DUPLICATE_SACK)
