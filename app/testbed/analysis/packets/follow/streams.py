"""Lay connections out by direction and unroll their sequence numbers, all connections at once.

In a batch the frames of a connection stand together, in the order of the capture. A `Side` holds one direction of every
connection of the batch, side by side; because only two sides alternate, the last frame of the other side before frame
n of this side is found by counting, without a search.

Sequence numbers are unrolled to 64 bits so that comparing them needs no modulus. Every connection gets a range of its
own, above those before it: a running maximum over the whole side is then a running maximum of each connection.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import FIN, SYN

Index = NDArray[np.int64]
Flags = NDArray[np.bool_]

GAP: Final = 1 << 33  # between the ranges of two connections; more than any 32-bit number can be off
BELOW_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of whole connections; connection c has the frames [first[c], first[c + 1]).

    `second` tells the sender: False for the one whose number is lower. `sack_row` are the frames with a SACK option,
    `sack_blocks` and `edges` its blocks; `syn_row` the SYNs, `syn_scale` their window scale option (-1 for none).
    """

    first: Index
    second: Flags
    time_ns: Index
    seq: NDArray[np.uint32]
    ack: NDArray[np.uint32]
    window: NDArray[np.uint16]
    tcp_flags: NDArray[np.uint16]
    payload_bytes: NDArray[np.uint32]
    sack_row: Index
    sack_blocks: Index
    edges: NDArray[np.uint32]
    syn_row: Index
    syn_scale: Index

    def __len__(self) -> int:
        return len(self.seq)


class Side:
    """One direction of every connection of a batch; arrays have one element a frame of this side."""

    def __init__(self, batch: Batch, *, second: bool) -> None:
        self.second = second
        self.at = np.flatnonzero(batch.second == second)
        self.bounds = np.searchsorted(self.at, batch.first)
        counts = np.diff(self.bounds)
        self.present = np.flatnonzero(counts)  # connections that have frames on this side
        self.counts = counts[self.present]
        self.starts = self.bounds[:-1][self.present]
        self.seq = batch.seq[self.at]
        self.ack = batch.ack[self.at]
        self.window = batch.window[self.at]
        self.tcp_flags = batch.tcp_flags[self.at]
        self.time_ns = batch.time_ns[self.at]
        self.length = batch.payload_bytes[self.at].astype(np.int64)
        self.extra = (self.tcp_flags & (SYN | FIN) != 0).astype(np.int64)
        self.end_seq = self.seq + batch.payload_bytes[self.at]
        """Behind the payload, on the wire."""
        self._unroll()

    def _unroll(self) -> None:
        start = np.zeros(len(self.at), np.int64)
        if len(start) > 1:
            np.cumsum(np.diff(self.seq).view(np.int32), out=start[1:])
        end = start + self.length
        end += self.extra
        if len(self.starts):
            low = np.minimum.reduceat(start, self.starts)
            high = np.maximum.reduceat(end, self.starts)
            base = np.cumsum(high - low + GAP)
            shift = self.spread(np.concatenate([[GAP], base[:-1] + GAP]) - low)
            start += shift
            end += shift
        self.start, self.end = start, end
        self.top = np.maximum.accumulate(end) if len(end) else end
        """Highest sequence number sent so far, this frame's included."""
        self.top_before = previous(self.top, BELOW_ALL)
        self.top_before[self.starts] = start[self.starts]
        self.gap = start - self.top_before
        """0: continues the stream; above: something is missing before it; below: (partly) sent before."""
        self.top_seq = (self.top - start).astype(np.uint32) + self.seq

    def spread(self, per_connection: NDArray[Any]) -> NDArray[Any]:
        """Return one element a frame from one a connection that is present."""
        return per_connection if len(per_connection) == 1 else np.repeat(per_connection, self.counts)

    def answer(self, other: "Side") -> None:
        """Find the last frame of the other side before each frame, and unroll the acknowledgements."""
        self.peer = self.at - np.arange(1, len(self.at) + 1)
        self.alone = self.peer < self.spread(other.bounds[:-1][self.present])
        """Nothing has been seen of the other side of the connection yet."""
        self.has_peer = ~self.alone
        self.alone_at = np.flatnonzero(self.alone)
        np.maximum(self.peer, 0, out=self.peer)
        self.ack_gap = (self.ack - self.of_peer(other.top_seq, 0)).view(np.int32)
        acked = self.of_peer(other.top, BELOW_ALL)
        acked += self.ack_gap
        acked[self.alone_at] = BELOW_ALL
        self.acked = acked
        """What this frame acknowledges of the other side, unrolled."""
        self.acked_top = np.maximum.accumulate(acked) if len(acked) else acked

    def of_peer(self, values: NDArray[Any], default: int) -> NDArray[Any]:
        """Return the other side's value at its last frame, `default` where it has none."""
        if not len(values):
            return np.full(len(self.at), default, values.dtype)
        taken: NDArray[Any] = values.take(self.peer)
        taken[self.alone_at] = default
        return taken

    @cached_property
    def listed(self) -> Index:
        """Frames that moved the top with data, SYN or FIN: the segments an acknowledgement can be for."""
        moved = self.end > self.top_before
        moved &= self.end > self.start
        return np.flatnonzero(moved)

    @cached_property
    def listed_end(self) -> Index:
        """Where the segments of `listed` end, in ascending order."""
        return self.end[self.listed]

    @cached_property
    def listed_bounds(self) -> Index:
        """Where each connection's segments begin in `listed`."""
        return np.searchsorted(self.listed, self.bounds)


def previous(values: NDArray[Any], first: int) -> NDArray[Any]:
    """Return each element's predecessor."""
    shifted = np.empty_like(values)
    shifted[1:] = values[:-1]
    shifted[:1] = first
    return shifted
