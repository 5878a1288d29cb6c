"""Sort segments into connections: by their two endpoints, and anew where ports are used again."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.endpoints import Endpoint
from testbed.analysis.packets.dissect.segments import SegmentWindow
from testbed.analysis.packets.flags import ACK, FIN, RST, SYN
from testbed.analysis.packets.follow.streams import Flags, Index

RADIX_PAIRS: Final = 1 << 16  # numbers below this are sorted in linear time


@dataclass(slots=True)
class Pairs:
    """Numbers the pairs of endpoints through all windows of a capture, in the order of their first segments."""

    endpoints: list[tuple[Endpoint, Endpoint]] = field(default_factory=list)
    _numbers: dict[tuple[Endpoint, Endpoint], int] = field(default_factory=dict)

    def number(self, window: SegmentWindow) -> tuple[NDArray[np.int32], Flags]:
        """Return each segment's pair, and whether the pair's second endpoint sent it."""
        talks = window.talks
        second = talks.source > talks.target
        low = np.where(second, talks.target, talks.source)
        high = np.where(second, talks.source, talks.target)
        _, low_at = np.unique(low, return_inverse=True)
        highs, high_at = np.unique(high, return_inverse=True)
        _, pair_at = np.unique(low_at * len(highs) + high_at, return_inverse=True)
        by_time = np.argsort(talks.head)
        pairs, first = np.unique(pair_at[by_time], return_index=True)
        numbers = np.empty(len(pairs), np.int32)
        for local in np.argsort(first).tolist():
            run = by_time[first[local]]
            ends = (int(low[run]), int(high[run]))
            key = (talks.numbering.endpoint(ends[0]), talks.numbering.endpoint(ends[1]))
            if key not in self._numbers:
                self._numbers[key] = len(self.endpoints)
                self.endpoints.append(key)
            numbers[local] = self._numbers[key]
        return numbers[pair_at][talks.run], second[talks.run] ^ talks.turned


@dataclass(frozen=True, slots=True)
class Layout:
    """How connections lie in the sorted segments: [first[c], first[c + 1]), of which pair, with ports used again."""

    first: Index
    pair: Index
    reused: Flags


def sort_by_pair(pair: NDArray[np.int32], pairs: int) -> Index | None:
    """Return the order in which each pair's segments stand together, in the order of the capture; None if they do."""
    if pairs <= 1 or bool((pair[1:] >= pair[:-1]).all()):
        return None
    return np.argsort(pair.astype(np.uint16) if pairs <= RADIX_PAIRS else pair, kind="stable")


def lay_out(
    pair: NDArray[np.int32],
    second: Flags,
    tcp_flags: NDArray[np.uint16],
    seq: NDArray[np.uint32],
    ack: NDArray[np.uint32],
) -> Layout:
    """Cut segments that are sorted by pair into connections."""
    if not len(pair):
        return Layout(np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))
    begins = np.flatnonzero(np.diff(pair, prepend=pair[0] - 1))
    ends = np.append(begins[1:], len(pair))
    syns = np.flatnonzero(tcp_flags & SYN)
    again: list[int] = []
    for number in np.unique(np.searchsorted(begins, syns, side="right") - 1).tolist():
        part = slice(int(begins[number]), int(ends[number]))
        mine = syns[np.searchsorted(syns, part.start) : np.searchsorted(syns, part.stop)] - part.start
        if _usual(mine, second[part.start : part.start + 2], tcp_flags[part.start : part.start + 2]):
            continue
        again.extend(part.start + row for row in _find_reuse(mine, second[part], tcp_flags[part], seq[part], ack[part]))
    first = np.sort(np.concatenate([begins, np.array(again, np.int64), [len(pair)]]))
    return Layout(first, pair[first[:-1]].astype(np.int64), np.isin(first[:-1], again))


def _usual(syns: Index, second: Flags, tcp_flags: NDArray[np.uint16]) -> bool:
    """Tell whether the only SYNs are those of one handshake at the beginning."""
    if syns.tolist() == [0]:
        return True
    is_pure = tcp_flags[0] & (SYN | ACK) == SYN
    return syns.tolist() == [0, 1] and bool(is_pure) and bool(second[0] != second[1])


def _find_reuse(
    syns: Index, second: Flags, tcp_flags: NDArray[np.uint16], seq: NDArray[np.uint32], ack: NDArray[np.uint32]
) -> list[int]:
    """Return the SYNs that begin a new connection: another first number, or the old one after FIN or RST."""
    sent = [np.flatnonzero(second == side) for side in (False, True)]
    acks = [rows[tcp_flags[rows] & ACK != 0] for rows in sent]
    over = np.flatnonzero((tcp_flags & RST != 0) | (tcp_flags & (FIN | ACK) == FIN | ACK))
    begin, found = 0, []
    for row in syns.tolist():
        side = int(second[row])
        own, other = _first_from(sent[side], begin, row), _first_from(acks[1 - side], begin, row)
        if own == other == row:
            continue
        before_own = int(seq[own]) - (0 if tcp_flags[own] & SYN else 1)
        base = before_own if own < other else int(ack[other]) - 1
        ended = _first_from(over, begin, row) < row
        if ended or (base - int(seq[row])) & 0xFFFFFFFF:
            found.append(row)
            begin = row
    return found


def _first_from(rows: Index, begin: int, end: int) -> int:
    """Return the first of `rows` in [begin, end), `end` when there is none."""
    at = int(np.searchsorted(rows, begin))
    return min(int(rows[at]), end) if at < len(rows) else end
