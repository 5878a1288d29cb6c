"""Count sequence and acknowledgement numbers from the ISN, without wrapping."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, SYN
from testbed.analysis.packets.follow.streams import Direction, Index


@dataclass(frozen=True, slots=True)
class RelativeNumbers:
    """One element a frame of a batch; the acknowledgement number of a frame without an ACK flag is 0."""

    seq_bytes: Index
    ack_bytes: Index

    @staticmethod
    def empty(count: int) -> "RelativeNumbers":
        """Return room for `count` frames."""
        return RelativeNumbers(np.zeros(count, np.int64), np.zeros(count, np.int64))


@dataclass(frozen=True, slots=True)
class _Isns:
    """The ISN of each connection's flow: as in the headers, and unwrapped where the flow has frames."""

    seq: NDArray[np.uint32]
    start: Index


def count_from_isn(directions: tuple[Direction, Direction], relative: RelativeNumbers) -> None:
    """Write the relative numbers of all frames of a batch."""
    isns = [_find_isns(fwd, rev) for fwd, rev in (directions, directions[::-1])]
    for which, fwd in enumerate(directions):
        own, other = isns[which], isns[1 - which]
        relative.seq_bytes[fwd.at] = fwd.start - fwd.per_frame(own.start[fwd.present])
        acked = fwd.acked - fwd.per_frame(other.start[fwd.present])
        unlinked = fwd.without_peer_at
        other_isn = other.seq[fwd.present][np.searchsorted(fwd.starts, unlinked, side="right") - 1]
        acked[unlinked] = (fwd.ack[unlinked] - other_isn).view(np.int32)
        acked[fwd.tcp_flags & ACK == 0] = 0
        relative.ack_bytes[fwd.at] = acked


def _find_isns(fwd: Direction, rev: Direction) -> _Isns:
    """Return the ISNs of `fwd`, from its first frames or from earlier acknowledgements in `rev`."""
    count = len(fwd.bounds) - 1
    never = np.iinfo(np.int64).max
    own_at, own_seq = np.full(count, never), np.zeros(count, np.uint32)
    opening = fwd.starts
    own_at[fwd.present] = fwd.at[opening]
    is_syn = fwd.tcp_flags[opening] & SYN != 0
    own_seq[fwd.present] = fwd.seq[opening] - (~is_syn).astype(np.uint32)
    isn = own_seq.copy()
    acks = np.flatnonzero(rev.tcp_flags & ACK)
    if len(acks):
        nearest = np.searchsorted(acks, rev.bounds[:-1])
        frame = acks[np.minimum(nearest, len(acks) - 1)]
        exists = (nearest < len(acks)) & (frame < rev.bounds[1:])
        earlier = exists & (rev.at[frame] < own_at)
        isn[earlier] = rev.ack[frame[earlier]] - np.uint32(1)
    start = np.zeros(count, np.int64)
    first_seq = fwd.seq[opening]
    start[fwd.present] = fwd.start[opening] - (first_seq - isn[fwd.present]).view(np.int32)
    return _Isns(isn, start)
