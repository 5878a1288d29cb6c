"""How late frames leave the engine: now minus their due time, in a histogram of bounded memory.

The buckets are log-linear: 16 for each power of two, one for each value below 32 ns. So a percentile, the upper bound
of its bucket, is at most 1/16 too high. The data path in C (`c/lateness.c`) fills the same buckets.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from netem.pipeline.packet import Entry

_FINE_BITS = 4
BUCKETS = (64 - _FINE_BITS) << _FINE_BITS  # for 63 bits: any time in ns


@dataclass(frozen=True, slots=True)
class Lateness:
    """Summary, ns: `max` is exact, the percentiles are upper bounds."""

    packets: int
    """Frames that waited in the queue."""
    p50: int
    p99: int
    max: int


def bucket_of(late_ns: int) -> int:
    """Return the number of the bucket of a time from 0 to 2^63 - 1."""
    shift = late_ns.bit_length() - _FINE_BITS - 1
    return (shift << _FINE_BITS) + (late_ns >> shift) if shift > 0 else late_ns


def upper_bound_ns(bucket: int) -> int:
    """Return the greatest time that falls into a bucket."""
    shift = max(0, (bucket >> _FINE_BITS) - 1)
    return ((bucket - (shift << _FINE_BITS) + 1) << shift) - 1


class LatenessHistogram:
    """Count the lateness of frames that waited; the others have no due time of their own."""

    __slots__ = ("buckets", "max_ns")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.max_ns = 0

    def record_batch(self, now_ns: int, entries: Iterable[Entry]) -> None:
        """Record every entry that was due after its arrival; all of them leave at `now_ns`, when they are due."""
        buckets = self.buckets
        for entry in entries:
            if entry[0] > entry[1]:
                late_ns = now_ns - entry[0]
                buckets[bucket_of(late_ns)] += 1
                self.max_ns = max(self.max_ns, late_ns)

    def _percentile_ns(self, packets: int, percent: int) -> int:
        """Return the nearest-rank percentile as the upper bound of its bucket."""
        rank = min(packets - 1, packets * percent // 100)
        for bucket, count in enumerate(self.buckets):
            rank -= count
            if rank < 0:
                return min(upper_bound_ns(bucket), self.max_ns)
        return self.max_ns

    def snapshot(self) -> Lateness | None:
        """Return the summary so far, None if no frame waited."""
        packets = sum(self.buckets)
        if not packets:
            return None
        return Lateness(packets, self._percentile_ns(packets, 50), self._percentile_ns(packets, 99), self.max_ns)
