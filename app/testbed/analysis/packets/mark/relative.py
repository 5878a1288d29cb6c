"""Count sequence and acknowledgement numbers from the first one, without wrapping."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, SYN
from testbed.analysis.packets.follow.streams import Index, Side


@dataclass(frozen=True, slots=True)
class Relative:
    """By frame of a batch; an acknowledgement number without an ACK flag counts as 0."""

    seq_bytes: Index
    ack_bytes: Index

    @staticmethod
    def empty(count: int) -> "Relative":
        """Return room for so many frames."""
        return Relative(np.zeros(count, np.int64), np.zeros(count, np.int64))


@dataclass(frozen=True, slots=True)
class _Base:
    """The number before a side's first byte, a connection: on the wire and unrolled (where the side has frames)."""

    seq: NDArray[np.uint32]
    start: Index


def count_from_first(sides: tuple[Side, Side], relative: Relative) -> None:
    """Write the relative numbers of all frames of a batch."""
    bases = [_base_of(side, other) for side, other in (sides, sides[::-1])]
    for which, side in enumerate(sides):
        mine, theirs = bases[which], bases[1 - which]
        relative.seq_bytes[side.at] = side.start - side.spread(mine.start[side.present])
        acked = side.acked - side.spread(theirs.start[side.present])
        alone = side.alone_at
        base_seq = theirs.seq[side.present][np.searchsorted(side.starts, alone, side="right") - 1]
        acked[alone] = (side.ack[alone] - base_seq).view(np.int32)
        acked[side.tcp_flags & ACK == 0] = 0
        relative.ack_bytes[side.at] = acked


def _base_of(side: Side, other: Side) -> _Base:
    """Return the bases: the first frame of the side tells, or an earlier acknowledgement of the other side's."""
    count = len(side.bounds) - 1
    far = np.iinfo(np.int64).max
    own_at, own_seq = np.full(count, far), np.zeros(count, np.uint32)
    opening = side.starts
    own_at[side.present] = side.at[opening]
    is_syn = side.tcp_flags[opening] & SYN != 0
    own_seq[side.present] = side.seq[opening] - (~is_syn).astype(np.uint32)
    base = own_seq.copy()
    acks = np.flatnonzero(other.tcp_flags & ACK)
    if len(acks):
        nearest = np.searchsorted(acks, other.bounds[:-1])
        frame = acks[np.minimum(nearest, len(acks) - 1)]
        there = (nearest < len(acks)) & (frame < other.bounds[1:])
        earlier = there & (other.at[frame] < own_at)
        base[earlier] = other.ack[frame[earlier]] - np.uint32(1)
    start = np.zeros(count, np.int64)
    first_seq = side.seq[opening]
    start[side.present] = side.start[opening] - (first_seq - base[side.present]).view(np.int32)
    return _Base(base, start)
