"""Split connections into their two directions and unwrap sequence numbers, for all connections of a batch at once.

In a batch the frames of a connection are contiguous, in the order of the capture. A `Direction` holds one direction of
every connection of the batch. Only two directions alternate, so the last frame of the other direction before frame n of
this one follows from counting; it needs no search.

Sequence numbers are unwrapped to 64 bits, so that they compare without a modulus. Every connection gets a range of its
own above the ranges before it: a running maximum over the whole array is then a running maximum of each connection.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import FIN, SYN

Index = NDArray[np.int64]
Flags = NDArray[np.bool_]

GAP: Final = 1 << 33
"""Between the ranges of two connections: further than any 32-bit number can reach."""
BELOW_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames of whole connections; connection c has the frames [first[c], first[c + 1]).

    `is_reverse` is True for frames whose sender is the connection's higher-numbered endpoint. `sack_row` lists the
    frames with a SACK option, `sack_blocks` and `edges` their blocks; `syn_row` lists the SYNs, `syn_scale` their
    window scale option (-1 for none).
    """

    first: Index
    is_reverse: Flags
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


class Direction:
    """One direction of every connection of a batch; arrays have one element a frame of this direction.

    `seq`, `ack`, `end_seq` and `max_end_seq` are 32-bit numbers as in the headers; `start`, `end`, `max_end` and
    `acked` are the same numbers unwrapped.
    """

    def __init__(self, batch: Batch, *, is_reverse: bool) -> None:
        self.is_reverse = is_reverse
        self.at = np.flatnonzero(batch.is_reverse == is_reverse)
        """Where each frame is in the batch."""
        self.bounds = np.searchsorted(self.at, batch.first)
        counts = np.diff(self.bounds)
        self.present = np.flatnonzero(counts)
        """The connections that have frames in this direction."""
        self.counts = counts[self.present]
        self.starts = self.bounds[:-1][self.present]
        self.seq = batch.seq[self.at]
        self.ack = batch.ack[self.at]
        self.window = batch.window[self.at]
        self.tcp_flags = batch.tcp_flags[self.at]
        self.time_ns = batch.time_ns[self.at]
        self.length = batch.payload_bytes[self.at].astype(np.int64)
        self.syn_fin = (self.tcp_flags & (SYN | FIN) != 0).astype(np.int64)
        """1 where a SYN or FIN occupies a sequence number, else 0."""
        self.end_seq = self.seq + batch.payload_bytes[self.at]
        """The sequence number after the payload."""
        self._unwrap()

    def _unwrap(self) -> None:
        start = np.zeros(len(self.at), np.int64)
        if len(start) > 1:
            np.cumsum(np.diff(self.seq).view(np.int32), out=start[1:])
        end = start + self.length
        end += self.syn_fin
        if len(self.starts):
            low = np.minimum.reduceat(start, self.starts)
            high = np.maximum.reduceat(end, self.starts)
            base = np.cumsum(high - low + GAP)
            shift = self.per_frame(np.concatenate([[GAP], base[:-1] + GAP]) - low)
            start += shift
            end += shift
        self.start, self.end = start, end
        self.max_end = np.maximum.accumulate(end) if len(end) else end
        """The highest `end` so far, this frame included."""
        self.max_end_before = previous(self.max_end, BELOW_ALL)
        self.max_end_before[self.starts] = start[self.starts]
        self.gap = start - self.max_end_before
        """0: the frame continues the stream; above: data before it is missing; below: it repeats data."""
        self.max_end_seq = (self.max_end - start).astype(np.uint32) + self.seq

    def per_frame(self, per_connection: NDArray[Any]) -> NDArray[Any]:
        """Return one element a frame from one element a connection of `present`."""
        return per_connection if len(per_connection) == 1 else np.repeat(per_connection, self.counts)

    def link_peer(self, other: "Direction") -> None:
        """Find the last frame of the other direction before each frame, and unwrap the acknowledgements."""
        self.peer = self.at - np.arange(1, len(self.at) + 1)
        without_peer = self.peer < self.per_frame(other.bounds[:-1][self.present])
        self.has_peer = ~without_peer
        """Whether the other direction of the connection has a frame before this one."""
        self.without_peer_at = np.flatnonzero(without_peer)
        np.maximum(self.peer, 0, out=self.peer)
        self.ack_gap = (self.ack - self.of_peer(other.max_end_seq, 0)).view(np.int32)
        acked = self.of_peer(other.max_end, BELOW_ALL)
        acked += self.ack_gap
        acked[self.without_peer_at] = BELOW_ALL
        self.acked = acked
        """What this frame acknowledges of the other direction, unwrapped."""
        self.max_acked = np.maximum.accumulate(acked) if len(acked) else acked

    def of_peer(self, values: NDArray[Any], default: int) -> NDArray[Any]:
        """Return the other direction's value at its last frame, `default` where it has none."""
        if not len(values):
            return np.full(len(self.at), default, values.dtype)
        found: NDArray[Any] = values.take(self.peer)
        found[self.without_peer_at] = default
        return found

    @cached_property
    def new_data(self) -> Index:
        """Frames whose data, SYN or FIN raised `max_end`: the segments that an acknowledgement can be for."""
        raised = self.end > self.max_end_before
        raised &= self.end > self.start
        return np.flatnonzero(raised)

    @cached_property
    def new_data_end(self) -> Index:
        """Where the segments of `new_data` end, in ascending order."""
        return self.end[self.new_data]

    @cached_property
    def new_data_bounds(self) -> Index:
        """Where each connection's segments begin in `new_data`."""
        return np.searchsorted(self.new_data, self.bounds)


def both_directions(batch: Batch) -> tuple[Direction, Direction]:
    """Return the two directions of a batch, each linked to the other."""
    directions = Direction(batch, is_reverse=False), Direction(batch, is_reverse=True)
    directions[0].link_peer(directions[1])
    directions[1].link_peer(directions[0])
    return directions


def previous(values: NDArray[Any], first: int) -> NDArray[Any]:
    """Return each element's predecessor, `first` for the first one."""
    shifted = np.empty_like(values)
    shifted[1:] = values[:-1]
    shifted[:1] = first
    return shifted
