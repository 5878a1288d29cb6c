"""Order statistics of one-way delays."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delays:
    """Order statistics of one-way delays in nanoseconds."""

    min: int
    p50: int
    p99: int
    max: int


def summarize(delays_ns: Iterable[int]) -> Delays | None:
    """Return the order statistics; None when there are no delays."""
    ordered = sorted(delays_ns)
    if not ordered:
        return None
    return Delays(ordered[0], ordered[len(ordered) // 2], ordered[(len(ordered) - 1) * 99 // 100], ordered[-1])
