"""Event logs of the programs under test: what each call did and how long it took.

A log may come from any program and may be cut short anywhere: a line that does not parse is counted and left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BLOCKED_NS: Final = 1_000_000
"""A write that finds room takes microseconds, even of a megabyte; one of a millisecond has waited."""

MAX_INT64: Final = (1 << 63) - 1
MAX_CALL_BYTES: Final = 1 << 40
"""More than any call moves (Linux: 2 GiB); a line that says so was damaged."""

MAX_POINTS: Final = 2048
"""Points kept of a curve; twice as many are halved by leaving out every other one."""

HEADER: Final = "op,start_ns,end_ns,bytes,total_bytes"


@dataclass(frozen=True, slots=True)
class Event:
    """One call; times are CLOCK_MONOTONIC."""

    op: str
    start_ns: int
    end_ns: int
    size_bytes: int


@dataclass(slots=True)
class Curve:
    """Cumulative bytes over time, thinned out as it grows."""

    points: list[tuple[int, int]] = field(default_factory=list)
    last: tuple[int, int] | None = None
    _every: int = 1
    _skipped: int = 0

    def add(self, at_ns: int, total_bytes: int) -> None:
        """Add a point behind all others."""
        self.last = (at_ns, total_bytes)
        self._skipped += 1
        if self._skipped < self._every:
            return
        self._skipped = 0
        self.points.append(self.last)
        if len(self.points) >= 2 * MAX_POINTS:
            self.points = self.points[1::2]
            self._every *= 2

    def at(self, at_ns: int) -> int:
        """Return the total at a time: that of the last point not after it."""
        low, high = 0, len(self.points)
        while low < high:
            middle = (low + high) // 2
            if self.points[middle][0] <= at_ns:
                low = middle + 1
            else:
                high = middle
        if self.last is not None and self.last[0] <= at_ns:
            return self.last[1]
        return self.points[low - 1][1] if low else 0


@dataclass(slots=True)
class Calls:
    """What all calls of one kind come to."""

    count: int = 0
    total_bytes: int = 0
    first_start_ns: int | None = None
    last_end_ns: int | None = None
    spent_ns: int = 0
    blocked_ns: int = 0
    longest_ns: int = 0
    curve: Curve = field(default_factory=Curve)

    def add(self, event: Event) -> None:
        """Take one more call."""
        took_ns = event.end_ns - event.start_ns
        self.count += 1
        self.total_bytes += event.size_bytes
        if self.first_start_ns is None:
            self.first_start_ns = event.start_ns
        self.last_end_ns = event.end_ns
        self.spent_ns += took_ns
        self.longest_ns = max(self.longest_ns, took_ns)
        if took_ns >= BLOCKED_NS:
            self.blocked_ns += took_ns
        self.curve.add(event.end_ns, self.total_bytes)


@dataclass(slots=True)
class EventLog:
    """One log: calls by kind, and how many lines could not be read."""

    calls: dict[str, Calls] = field(default_factory=dict)
    bad_lines: int = 0

    def of(self, op: str) -> Calls:
        """Return the calls of one kind, none of them if there were none."""
        return self.calls.get(op) or Calls()


def parse_event(line: str) -> Event | None:
    """Return the call that a line tells of; None when it tells of none."""
    fields = line.split(",")
    if len(fields) != 5:
        return None
    try:
        start_ns, end_ns, size_bytes = int(fields[1]), int(fields[2]), int(fields[3])
    except ValueError:
        return None
    if not 0 <= start_ns <= end_ns <= MAX_INT64 or not 0 <= size_bytes <= MAX_CALL_BYTES:
        return None
    return Event(fields[0], start_ns, end_ns, size_bytes)


def parse_events(lines: Iterable[str]) -> EventLog:
    """Return what a log says, read once and in constant memory."""
    log = EventLog()
    for raw in lines:
        line = raw.rstrip("\n")
        if not line or line.startswith("#") or line == HEADER:
            continue
        event = parse_event(line)
        if event is None:
            log.bad_lines += 1
        else:
            log.calls.setdefault(event.op, Calls()).add(event)
    return log


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def read_events(path: Path) -> EventLog | None:
    """Return the log in a file; None when there is no such file."""
    return parse_events(_lines(path)) if path.is_file() else None


def most_ahead(written: Curve, read: Curve) -> int:
    """Return the greatest number of bytes that were written and not yet read."""
    points = [*written.points, *([written.last] if written.last else [])]
    return max((total - read.at(at_ns) for at_ns, total in points), default=0)
