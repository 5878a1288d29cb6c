"""Sort segments into connections: by their two endpoints, and separately where a port pair is reused."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.endpoints import Endpoint
from testbed.analysis.packets.dissect.segments import SegmentChunk
from testbed.analysis.packets.flags import ACK, FIN, RST, SYN
from testbed.analysis.packets.follow.streams import Flags, Index

EndpointPair = tuple[Endpoint, Endpoint]

RADIX_PAIRS: Final = 1 << 16
"""NumPy sorts numbers below this in linear time."""


@dataclass(slots=True)
class EndpointPairs:
    """Numbers the pairs of endpoints of a capture across its chunks, in the order of their first segments."""

    endpoints: list[EndpointPair] = field(default_factory=list)
    _numbers: dict[EndpointPair, int] = field(default_factory=dict)

    def number(self, chunk: SegmentChunk) -> tuple[NDArray[np.int32], Flags]:
        """Return each segment's pair, and whether the pair's higher endpoint sent it."""
        conversations = chunk.conversations
        is_reverse = conversations.source > conversations.target
        low = np.where(is_reverse, conversations.target, conversations.source)
        high = np.where(is_reverse, conversations.source, conversations.target)
        _, low_at = np.unique(low, return_inverse=True)
        highs, high_at = np.unique(high, return_inverse=True)
        _, pair_at = np.unique(low_at * len(highs) + high_at, return_inverse=True)
        by_time = np.argsort(conversations.head)
        pairs, first = np.unique(pair_at[by_time], return_index=True)
        numbers = np.empty(len(pairs), np.int32)
        for local in np.argsort(first).tolist():
            run = by_time[first[local]]
            pair = (conversations.numbering.endpoint(int(low[run])), conversations.numbering.endpoint(int(high[run])))
            if pair not in self._numbers:
                self._numbers[pair] = len(self.endpoints)
                self.endpoints.append(pair)
            numbers[local] = self._numbers[pair]
        return numbers[pair_at][conversations.run], is_reverse[conversations.run] ^ conversations.reversed


@dataclass(frozen=True, slots=True)
class ConnectionRanges:
    """Where connections are in the sorted segments: connection c has [first[c], first[c + 1]).

    `pair` is its pair of endpoints, `reused` whether the pair had an earlier connection.
    """

    first: Index
    pair: Index
    reused: Flags


def sort_by_pair(pair: NDArray[np.int32], pairs: int) -> Index | None:
    """Return the stable order that groups segments by pair; None if they are grouped already."""
    if pairs <= 1 or bool((pair[1:] >= pair[:-1]).all()):
        return None
    return np.argsort(pair.astype(np.uint16) if pairs <= RADIX_PAIRS else pair, kind="stable")


def split_connections(
    pair: NDArray[np.int32],
    is_reverse: Flags,
    tcp_flags: NDArray[np.uint16],
    seq: NDArray[np.uint32],
    ack: NDArray[np.uint32],
) -> ConnectionRanges:
    """Split segments that are sorted by pair into connections."""
    if not len(pair):
        return ConnectionRanges(np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))
    begins = np.flatnonzero(np.diff(pair, prepend=pair[0] - 1))
    ends = np.append(begins[1:], len(pair))
    syns = np.flatnonzero(tcp_flags & SYN)
    reuses: list[int] = []
    for number in np.unique(np.searchsorted(begins, syns, side="right") - 1).tolist():
        part = slice(int(begins[number]), int(ends[number]))
        own_syns = syns[np.searchsorted(syns, part.start) : np.searchsorted(syns, part.stop)] - part.start
        head = slice(part.start, part.start + 2)
        if _has_one_handshake(own_syns, is_reverse[head], tcp_flags[head]):
            continue
        found = _find_port_reuse(own_syns, is_reverse[part], tcp_flags[part], seq[part], ack[part])
        reuses.extend(part.start + row for row in found)
    first = np.sort(np.concatenate([begins, np.array(reuses, np.int64), [len(pair)]]))
    return ConnectionRanges(first, pair[first[:-1]].astype(np.int64), np.isin(first[:-1], reuses))


def _has_one_handshake(syns: Index, is_reverse: Flags, tcp_flags: NDArray[np.uint16]) -> bool:
    """Return whether the only SYNs are those of one handshake at the beginning."""
    if syns.tolist() == [0]:
        return True
    is_pure = tcp_flags[0] & (SYN | ACK) == SYN
    return syns.tolist() == [0, 1] and bool(is_pure) and bool(is_reverse[0] != is_reverse[1])


def _find_port_reuse(
    syns: Index, is_reverse: Flags, tcp_flags: NDArray[np.uint16], seq: NDArray[np.uint32], ack: NDArray[np.uint32]
) -> list[int]:
    """Return the SYNs that open a new connection: with another ISN, or with the same one after FIN or RST."""
    sent = [np.flatnonzero(is_reverse == side) for side in (False, True)]
    acks = [rows[tcp_flags[rows] & ACK != 0] for rows in sent]
    closes = np.flatnonzero((tcp_flags & RST != 0) | (tcp_flags & (FIN | ACK) == FIN | ACK))
    begin, found = 0, []
    for row in syns.tolist():
        side = int(is_reverse[row])
        own, other = _first_from(sent[side], begin, row), _first_from(acks[1 - side], begin, row)
        if own == other == row:
            continue
        own_isn = int(seq[own]) - (0 if tcp_flags[own] & SYN else 1)
        isn = own_isn if own < other else int(ack[other]) - 1
        is_closed = _first_from(closes, begin, row) < row
        if is_closed or (isn - int(seq[row])) & 0xFFFFFFFF:
            found.append(row)
            begin = row
    return found


def _first_from(rows: Index, begin: int, end: int) -> int:
    """Return the first of `rows` in [begin, end), `end` when there is none."""
    at = int(np.searchsorted(rows, begin))
    return min(int(rows[at]), end) if at < len(rows) else end
