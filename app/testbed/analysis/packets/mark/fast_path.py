"""Mark the frames that continue their stream in order, all at once; name the others.

What holds of a regular frame is in docs/packets.md. The state that the rules look at is then a column: the next
sequence number is a running maximum, the peer's last window is its last frame's, and the unacknowledged segments are
those between the highest acknowledgement and the highest sequence number.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, FIN, RST, SYN, Mark
from testbed.analysis.packets.follow.streams import BELOW_ALL, Batch, Flags, Index, Side, previous
from testbed.analysis.packets.mark.reference import (
    MAX_IN_FLIGHT_BYTES,
    MAX_UNACKED_SEGMENTS,
    NO_WINDOW,
    NONE,
    UNKNOWN_SCALE,
)

TOO_FAR: Final = 1 << 30  # an acknowledgement this far back may compare as ahead of an old segment


@dataclass(frozen=True, slots=True)
class Results:
    """What was found of each frame of a batch; `acked_at` is a position in the batch, -1 for none."""

    marks: NDArray[np.uint32]
    in_flight_bytes: Index
    acked_at: Index
    ack_rtt_ns: Index
    rto_ns: Index

    @staticmethod
    def empty(count: int) -> "Results":
        """Return room for so many frames."""
        none = np.full(count, NONE, np.int64)
        return Results(np.zeros(count, np.uint32), np.zeros(count, np.int64), none, none.copy(), none.copy())


@dataclass(frozen=True, slots=True)
class Sacks:
    """Which frames of the batch have SACK options, in `row` one by one, and how many bytes these say have arrived."""

    has: Flags
    row: Index
    delivered_bytes: Index

    @staticmethod
    def of(batch: Batch) -> "Sacks":
        """Take the SACK options of a batch."""
        has = np.zeros(len(batch), np.bool_)
        has[batch.sack_row] = True
        return Sacks(has, batch.sack_row, (batch.edges[:, 1::2] - batch.edges[:, ::2]).astype(np.int64).sum(axis=1))


@dataclass(frozen=True, slots=True)
class PeerState:
    """What had been seen of the other side before each frame of a side: its last frame's numbers.

    Where nothing had, `ack` is 0, `window` is `NO_WINDOW` and `acked_top` is `BELOW_ALL`.
    """

    ack: NDArray[np.uint32]
    window: NDArray[np.uint32]
    acked_top: Index

    @staticmethod
    def before(side: Side, other: Side) -> "PeerState":
        """Look it up for all frames of `side`."""
        return PeerState(
            side.of_peer(other.ack, 0),
            side.of_peer(other.window.astype(np.uint32), NO_WINDOW),
            side.of_peer(other.acked_top, BELOW_ALL),
        )


def find_irregular(side: Side, other: Side, peer: PeerState) -> Flags:
    """Return the frames of `side` that the machine has to judge."""
    gap, has_data = side.gap, side.length > 0
    odd: Flags = gap > 0
    odd |= gap < -TOO_FAR
    again = gap < 0
    again |= side.start < peer.acked_top
    again &= side.end > side.start
    odd |= again
    acked_before = (side.end_seq - peer.ack).view(np.int32) <= 0
    acked_before &= has_data
    acked_before &= peer.ack != 0
    odd |= acked_before
    odd |= (peer.window == 0) & (side.length == 1)
    ahead = side.ack_gap > 0
    ahead |= side.ack_gap < -TOO_FAR
    ahead |= side.tcp_flags & ACK == 0
    ahead &= side.has_peer
    odd |= ahead
    odd |= side.alone & has_data & (side.end_seq == NO_WINDOW)
    syn_again = side.tcp_flags & SYN != 0
    syn_again[side.starts] = False
    odd |= syn_again
    odd |= previous(side.top_seq, 1) == 0  # 0, and at the start -1, look like "not known yet"
    odd[side.starts] |= side.seq[side.starts] + np.uint32(1) <= 1
    if _may_list_too_many(side, peer):
        odd |= _count_unacked(side, other) >= MAX_UNACKED_SEGMENTS
    return odd


def _may_list_too_many(side: Side, peer: PeerState) -> bool:
    """Tell whether a segment may have been sent while one was unacknowledged that was sent so many before it."""
    if not len(side.starts) or int(np.diff(side.listed_bounds).max()) < MAX_UNACKED_SEGMENTS:
        return False
    late = side.listed_end[: -MAX_UNACKED_SEGMENTS + 1] > peer.acked_top[side.listed[MAX_UNACKED_SEGMENTS - 1 :]]
    return bool(late.any())


def _count_unacked(side: Side, other: Side) -> Index:
    sent = np.searchsorted(side.listed, np.arange(len(side.at)))
    acked = side.of_peer(np.searchsorted(side.listed_end, other.acked_top, side="right"), 0)
    unacked: Index = sent - np.maximum(acked, side.spread(side.listed_bounds[:-1][side.present]))
    return unacked


@dataclass(frozen=True, slots=True)
class OptionsSeen:
    """What the TCP options of a batch say: the agreed scales before each frame, a column a side, and the SACKs."""

    scales: NDArray[np.int8]
    sacks: Sacks


def mark(side: Side, other: Side, peer: PeerState, options: OptionsSeen, results: Results) -> None:
    """Write what regular frames of `side` are into `results`."""
    at = side.at
    plain = side.tcp_flags & (SYN | FIN | RST) == 0
    closed = side.window == 0
    has_data = side.length > 0
    marks = np.zeros(len(at), np.uint32)
    marks[closed & plain] = Mark.ZERO_WINDOW
    marks[_keeps_alive(side, plain)] |= np.uint32(Mark.KEEP_ALIVE)

    same = (side.gap == 0) & (side.ack == previous(side.ack, 0))
    same &= plain
    same &= ~(has_data | closed)
    same[side.starts] = False
    which = np.flatnonzero(same)
    marks[which] |= _repeated(side, other, which, options.sacks)

    full = _reaches_edge(side, other, peer, options.scales)
    full &= has_data
    full &= plain
    marks[full] |= np.uint32(Mark.WINDOW_FULL)
    results.marks[at] = marks
    results.in_flight_bytes[at] = _in_flight(side, other, peer, options.sacks)
    _match_acks(side, other, results)


def _keeps_alive(side: Side, plain: Flags) -> Flags:
    keeps: Flags = (side.gap == -1) & (side.length <= 1) & plain
    keeps[side.starts] = False
    return keeps


def _repeated(side: Side, other: Side, which: Index, sacks: Sacks) -> NDArray[np.uint32]:
    """Tell apart the frames without data that repeat sequence number and acknowledgement of the one before."""
    answers_probe = np.zeros(len(which), np.bool_)
    if len(other.at) and len(which):
        peer = side.peer[which]
        at_start = np.zeros(len(other.at), np.bool_)
        at_start[other.starts] = True
        answers_probe = (other.gap[peer] == -1) & (other.length[peer] <= 1) & ~at_start[peer] & side.has_peer[which]
        answers_probe &= other.tcp_flags[peer] & (SYN | FIN | RST) == 0
    update = side.window[which] != side.window[which - 1]
    if len(sacks.row):
        answers_probe &= ~update
        update &= ~sacks.has[side.at[which]]
    kinds = np.where(answers_probe, np.uint32(Mark.KEEP_ALIVE_ACK), np.uint32(Mark.DUPLICATE_ACK))
    return np.where(update, np.uint32(Mark.WINDOW_UPDATE), kinds)


def _reaches_edge(side: Side, other: Side, peer: PeerState, scales: NDArray[np.int8]) -> Flags:
    scale = scales[side.at, 1 - int(side.second)]
    window = peer.window << np.maximum(scale, 0).astype(np.uint32)
    if len(other.at):
        after_syn = np.flatnonzero((other.tcp_flags & SYN != 0).take(side.peer))
        window[after_syn] = peer.window[after_syn]  # which is not scaled
    window += peer.ack
    reaches: Flags = side.end_seq == window
    reaches &= side.has_peer
    reaches &= scale != UNKNOWN_SCALE
    return reaches


def _in_flight(side: Side, other: Side, peer: PeerState, sacks: Sacks) -> Index:
    opening = side.start[side.starts]
    begins, ends = (bounds[side.present] for bounds in (side.listed_bounds[:-1], side.listed_bounds[1:]))
    sends = begins < ends
    opening[sends] = side.start[side.listed[begins[sends]]]
    in_flight: Index = side.top - np.maximum(peer.acked_top, side.spread(opening))
    if len(sacks.row) and len(other.at):
        told = np.flatnonzero(sacks.has[other.at].take(side.peer) & side.has_peer)
        option = np.searchsorted(sacks.row, other.at[side.peer[told]])
        in_flight[told] -= sacks.delivered_bytes[option]
    valid = (in_flight > 0) & (in_flight < MAX_IN_FLIGHT_BYTES)
    valid &= side.length > 0
    in_flight -= side.extra
    in_flight *= valid
    return in_flight


def _match_acks(side: Side, other: Side, results: Results) -> None:
    if not len(other.listed):
        return
    new = np.flatnonzero(side.acked > previous(side.acked_top, BELOW_ALL))
    acked = side.acked[new]
    segment = np.minimum(np.searchsorted(other.listed_end, acked), len(other.listed) - 1)
    frame = other.listed[segment]
    good = (other.start[frame] < acked) & (other.end[frame] >= acked) & (frame <= side.peer[new])
    if not good.all():
        new, acked, frame = new[good], acked[good], frame[good]
    at = side.at[new]
    results.acked_at[at] = other.at[frame]
    results.ack_rtt_ns[at] = side.time_ns[new] - other.time_ns[frame]
    inside = at[other.end[frame] != acked]
    results.marks[inside] |= np.uint32(Mark.PARTIAL_ACK)


def mark_window_probes(side: Side, other: Side, results: Results) -> None:
    """Add our own mark: a keep-alive while the peer's last window is closed. Linux probes a closed window so."""
    probes = np.flatnonzero(results.marks[side.at] & Mark.KEEP_ALIVE)
    if len(probes) and len(other.at):
        closed = side.has_peer[probes] & (other.window[side.peer[probes]] == 0)
        results.marks[side.at[probes[closed]]] |= np.uint32(Mark.WINDOW_PROBE)


def mark_duplicate_sacks(batch: Batch, results: Results) -> None:
    """Add our own mark: the receiver says that it got something twice.

    The first block then lies below what is acknowledged, or within the second (RFC 2883, section 4); of that, Wireshark
    looks at where it ends.
    """
    row, blocks, edges = batch.sack_row, batch.sack_blocks, batch.edges
    end = edges[:, 1]
    acknowledged = (blocks > 0) & ((end - batch.ack[row]).view(np.int32) <= 0)
    within = (blocks > 1) & ((edges[:, 2] - end).view(np.int32) < 0) & ((end - edges[:, 3]).view(np.int32) <= 0)
    results.marks[row[acknowledged | within]] |= np.uint32(Mark.DUPLICATE_SACK)
