"""A figure that is not known exactly: its likely value, between a low and a high one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with its uncertainty; `low` <= `likely` <= `high`."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    @classmethod
    def exactly(cls, value: float) -> Self:
        """Return a figure that is certain."""
        return cls(value, value, value)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> "Span":
        return Span(self.low * factor, self.likely * factor, self.high * factor)

    def times(self, other: "Span") -> "Span":
        """Return the product of two figures that are not negative."""
        return Span(self.low * other.low, self.likely * other.likely, self.high * other.high)

    def at_most(self, limit: float) -> "Span":
        """Return the figure, bounded from above."""
        return Span(min(self.low, limit), min(self.likely, limit), min(self.high, limit))


def total(spans: Iterable[Span]) -> Span:
    """Return the sum of figures that may all be low, or high, together."""
    low = likely = high = 0.0
    for each in spans:
        low, likely, high = low + each.low, likely + each.likely, high + each.high
    return Span(low, likely, high)


def largest(*spans: Span) -> Span:
    """Return the largest of figures, each bound by itself."""
    return Span(
        max((each.low for each in spans), default=0.0),
        max((each.likely for each in spans), default=0.0),
        max((each.high for each in spans), default=0.0),
    )


def smallest(one: Span, other: Span) -> Span:
    """Return the smaller of two figures, each bound by itself."""
    return Span(min(one.low, other.low), min(one.likely, other.likely), min(one.high, other.high))
