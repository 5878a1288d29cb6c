"""Keep the segments of one direction whose acknowledgement has not been seen.

Segments that continue the stream are kept in order, so that most questions need a look at the first or the last of
them, or a bisection; the few that do not (sent again, or out of order) are kept apart and searched one by one.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Final

MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000
COMPACT_AFTER: Final = 1024
FAR: Final = 1 << 30
"""Numbers further apart than this may compare in one way with one segment and in the other way with the next."""


def before(x: int, y: int) -> bool:
    """Tell whether sequence number x comes before y, on the circle of 2^32; RFC 9293, section 3.4."""
    return (x - y) & MASK >= HALF


@dataclass(slots=True)
class Segment:
    """Sequence numbers [seq, end) sent in the frame named `at`; `seq` moves when a part of it is acknowledged."""

    seq: int
    end: int
    at: int
    time_ns: int


@dataclass(slots=True)
class Unacked:
    """The segments, oldest first where order matters; `at` grows with the time of sending."""

    ordered: list[Segment] = field(default_factory=list)
    odd: list[Segment] = field(default_factory=list)
    _head: int = 0

    def __len__(self) -> int:
        return len(self.ordered) - self._head + len(self.odd)

    def in_order(self) -> list[Segment]:
        """Return all segments, the oldest first."""
        return sorted(self.ordered[self._head :] + self.odd, key=lambda segment: segment.at)

    def add(self, segment: Segment) -> None:
        """Take in a segment that has just been sent."""
        if self._head == len(self.ordered) or (
            not before(segment.seq, self.ordered[-1].end) and self._is_near(segment.end)
        ):
            self.ordered.append(segment)
        else:
            self.odd.append(segment)

    def acknowledge(self, ack: int) -> tuple[Segment | None, bool]:
        """Drop what `ack` covers; return the oldest segment that it ends in or at, and whether it ends inside it."""
        answered: list[tuple[Segment, bool]] = []
        if not self._is_near(ack):
            self._forget_order()
        while self._head < len(self.ordered):
            segment = self.ordered[self._head]
            if _answers(ack, segment):
                answered.append((segment, ack != segment.end))
            if before(ack, segment.end):
                break
            self._head += 1
        if self._head >= COMPACT_AFTER or self._head == len(self.ordered):
            del self.ordered[: self._head]
            self._head = 0
        if self.odd:
            answered.extend((segment, ack != segment.end) for segment in self.odd if _answers(ack, segment))
            self.odd = [segment for segment in self.odd if before(ack, segment.end)]
        for segment, inside in answered:
            if inside:
                segment.seq = ack
        return min(answered, key=lambda pair: pair[0].at) if answered else (None, False)

    def span_bytes(self) -> int:
        """Return the distance from the lowest to the highest sequence number; there must be a segment."""
        segments = self.odd + self.ordered[self._head : self._head + 1] + self.ordered[-1:]
        base = segments[0].seq
        lowest = min(_distance(base, segment.seq) for segment in segments)
        return max(_distance(base, segment.end) for segment in segments) - lowest

    def covers(self, seq: int, end: int) -> bool:
        """Tell whether one segment contains all of [seq, end)."""
        if not self._is_near(seq):
            self._forget_order()
        at = self._bisect(seq, after=True) - 1
        near = self.ordered[at : at + 1] if at >= self._head else []
        return any(not before(seq, segment.seq) and not before(segment.end, end) for segment in near + self.odd)

    def oldest_from(self, seq: int) -> Segment | None:
        """Return the oldest segment that does not begin before `seq`."""
        if not self._is_near(seq):
            self._forget_order()
        at = self._bisect(seq, after=False)
        found = self.ordered[at : at + 1] + [segment for segment in self.odd if not before(segment.seq, seq)]
        return min(found, key=lambda segment: segment.at) if found else None

    def tail_from(self, ack: int) -> int:
        """Return how far segments reach without a gap from `ack` on; `ack` itself when none begins there."""
        left = right = 0
        for segment in reversed(self.in_order()):
            if left == right:
                left, right = segment.seq, segment.end
            if not before(segment.seq, ack):
                if segment.end != left:
                    right = segment.end
                left = segment.seq
        return right if left == ack and before(ack, right) else ack

    def _is_near(self, seq: int) -> bool:
        return self._head == len(self.ordered) or abs(_distance(self.ordered[self._head].seq, seq)) < FAR

    def _forget_order(self) -> None:
        """Keep all segments as odd ones, each to be asked by itself."""
        self.odd = self.in_order()
        self.ordered.clear()
        self._head = 0

    def _bisect(self, seq: int, *, after: bool) -> int:
        if self._head == len(self.ordered):
            return self._head
        base = self.ordered[self._head].seq
        find = bisect_right if after else bisect_left
        return find(self.ordered, _distance(base, seq), lo=self._head, key=lambda segment: _distance(base, segment.seq))


def _answers(ack: int, segment: Segment) -> bool:
    return ack == segment.end or (before(segment.seq, ack) and not before(segment.end, ack))


def _distance(base: int, seq: int) -> int:
    """Return how far `seq` is after `base`, negative when it is before."""
    distance = (seq - base) & MASK
    return distance - (MASK + 1) if distance >= HALF else distance
