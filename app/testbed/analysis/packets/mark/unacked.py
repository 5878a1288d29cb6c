"""Keep the segments of one flow that have not been acknowledged.

Segments that continue the stream are kept in order, so that most queries need only the first or the last of them, or a
bisection. The few others, retransmitted or out of order, are in a separate list that is searched linearly.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Final

MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000
COMPACT_AFTER: Final = 1024
FAR: Final = 1 << 30
"""Further apart than this, numbers may compare differently with one segment and with the next one."""


def before(x: int, y: int) -> bool:
    """Return whether sequence number x comes before y, on the circle of 2^32; RFC 9293, section 3.4."""
    return (x - y) & MASK >= HALF


@dataclass(slots=True)
class SentSegment:
    """Sequence numbers [seq, end), sent in the frame at index `at`; `seq` moves when a part of it is acknowledged."""

    seq: int
    end: int
    at: int
    time_ns: int


@dataclass(slots=True)
class Unacked:
    """The unacknowledged segments; `at` grows with the time of sending, so the oldest segment has the lowest."""

    ordered: list[SentSegment] = field(default_factory=list)
    out_of_order: list[SentSegment] = field(default_factory=list)
    _head: int = 0

    def __len__(self) -> int:
        return len(self.ordered) - self._head + len(self.out_of_order)

    def in_order(self) -> list[SentSegment]:
        """Return all segments, the oldest first."""
        return sorted(self.ordered[self._head :] + self.out_of_order, key=lambda segment: segment.at)

    def add(self, segment: SentSegment) -> None:
        """Add a segment that has just been sent."""
        if self._head == len(self.ordered) or (
            not before(segment.seq, self.ordered[-1].end) and self._is_near(segment.end)
        ):
            self.ordered.append(segment)
        else:
            self.out_of_order.append(segment)

    def acknowledge(self, ack: int) -> tuple[SentSegment | None, bool]:
        """Remove what `ack` covers; return the oldest segment that it ends in or at, and whether it ends inside it."""
        acknowledged: list[tuple[SentSegment, bool]] = []
        if not self._is_near(ack):
            self._drop_order()
        while self._head < len(self.ordered):
            segment = self.ordered[self._head]
            if _acknowledges(ack, segment):
                acknowledged.append((segment, ack != segment.end))
            if before(ack, segment.end):
                break
            self._head += 1
        if self._head >= COMPACT_AFTER or self._head == len(self.ordered):
            del self.ordered[: self._head]
            self._head = 0
        if self.out_of_order:
            others = [segment for segment in self.out_of_order if _acknowledges(ack, segment)]
            acknowledged.extend((segment, ack != segment.end) for segment in others)
            self.out_of_order = [segment for segment in self.out_of_order if before(ack, segment.end)]
        for segment, inside in acknowledged:
            if inside:
                segment.seq = ack
        return min(acknowledged, key=lambda pair: pair[0].at) if acknowledged else (None, False)

    def span_bytes(self) -> int:
        """Return the distance from the lowest to the highest sequence number; requires a segment."""
        segments = self.out_of_order + self.ordered[self._head : self._head + 1] + self.ordered[-1:]
        base = segments[0].seq
        lowest = min(_distance(base, segment.seq) for segment in segments)
        return max(_distance(base, segment.end) for segment in segments) - lowest

    def covers(self, seq: int, end: int) -> bool:
        """Return whether one segment contains all of [seq, end)."""
        if not self._is_near(seq):
            self._drop_order()
        at = self._bisect(seq, after=True) - 1
        nearest = self.ordered[at : at + 1] if at >= self._head else []
        candidates = nearest + self.out_of_order
        return any(not before(seq, segment.seq) and not before(segment.end, end) for segment in candidates)

    def oldest_from(self, seq: int) -> SentSegment | None:
        """Return the oldest segment that does not begin before `seq`."""
        if not self._is_near(seq):
            self._drop_order()
        at = self._bisect(seq, after=False)
        found = self.ordered[at : at + 1] + [segment for segment in self.out_of_order if not before(segment.seq, seq)]
        return min(found, key=lambda segment: segment.at) if found else None

    def tail_from(self, ack: int) -> int:
        """Return the end of the contiguous segments that begin at `ack`; `ack` itself when none begins there."""
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

    def _drop_order(self) -> None:
        """Treat all segments as out of order, so that each is compared by itself."""
        self.out_of_order = self.in_order()
        self.ordered.clear()
        self._head = 0

    def _bisect(self, seq: int, *, after: bool) -> int:
        if self._head == len(self.ordered):
            return self._head
        base = self.ordered[self._head].seq
        find = bisect_right if after else bisect_left
        return find(self.ordered, _distance(base, seq), lo=self._head, key=lambda segment: _distance(base, segment.seq))


def _acknowledges(ack: int, segment: SentSegment) -> bool:
    return ack == segment.end or (before(segment.seq, ack) and not before(segment.end, ack))


def _distance(base: int, seq: int) -> int:
    """Return how far `seq` is after `base`, negative when it is before."""
    distance = (seq - base) & MASK
    return distance - (MASK + 1) if distance >= HALF else distance
