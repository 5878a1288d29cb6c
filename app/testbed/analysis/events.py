"""Read an event log: when each call of a program began and ended and what it moved, one column per field.

A log may come from any program and may be cut short anywhere: a line that does not parse is counted and left out.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

BLOCKED_NS: Final = 1_000_000
"""A write that finds room takes microseconds, even of a megabyte; one of a millisecond has waited."""

MAX_INT64: Final = (1 << 63) - 1
MAX_CALL_BYTES: Final = 1 << 40
"""More than any call moves (Linux: 2 GiB); a line with more is damaged."""

HEADER: Final = "op,start_ns,end_ns,bytes,total_bytes"
_OFFSET: Final = "# realtime_offset_ns="


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one kind in the order of the log; times are CLOCK_MONOTONIC, `line` is the line of each in its file."""

    start_ns: Int64
    end_ns: Int64
    size_bytes: Int64
    total_bytes: Int64
    line: Int64

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def duration_ns(self) -> Int64:
        """How long each took."""
        return self.end_ns - self.start_ns

    @property
    def blocked(self) -> NDArray[np.bool_]:
        """Which of them had to wait."""
        found: NDArray[np.bool_] = self.duration_ns >= BLOCKED_NS
        return found

    def done_at(self, at_ns: Int64) -> Int64:
        """Return the bytes that all calls ended by each time have moved."""
        count = np.searchsorted(self.end_ns, at_ns, side="right")
        return np.concatenate(([0], self.total_bytes))[count]

    def in_progress_bytes_at(self, at_ns: Int64) -> Int64:
        """Return the size of the call in progress at each time, 0 where there is none."""
        following = np.searchsorted(self.end_ns, at_ns, side="right")
        begun = np.concatenate((self.start_ns, [np.iinfo(np.int64).max]))[following] <= at_ns
        return np.where(begun, np.concatenate((self.size_bytes, [0]))[following], 0)

    def any_within(self, from_ns: Int64, until_ns: Int64) -> NDArray[np.bool_]:
        """Return for each period whether a call began or ended in it."""
        found = np.zeros(len(from_ns), np.bool_)
        for times in (self.start_ns, self.end_ns):
            found |= np.searchsorted(times, until_ns, side="right") > np.searchsorted(times, from_ns, side="left")
        return found


@dataclass(frozen=True, slots=True)
class CallLog:
    """One end's log: calls by kind, and how many lines are no call.

    `realtime_offset_ns` leads from CLOCK_MONOTONIC to CLOCK_REALTIME, None where the log does not have it.
    """

    by_op: dict[str, Calls]
    realtime_offset_ns: int | None = None
    bad_lines: int = 0

    def of(self, op: str) -> Calls | None:
        """Return the calls of one kind; None when there were none."""
        return self.by_op.get(op)


def parse_log(lines: Iterable[str]) -> CallLog:
    """Return the calls of a log."""
    columns: dict[str, tuple[array[int], ...]] = {}
    totals: dict[str, int] = {}
    offset_ns, bad_lines = None, 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\n")
        if not line or line.startswith("#") or line == HEADER:
            offset_ns = _offset_ns(line) if line.startswith(_OFFSET) else offset_ns
            continue
        call = _call(line)
        if call is None:
            bad_lines += 1
            continue
        op, start_ns, end_ns, size_bytes = call
        kind = columns.setdefault(op, tuple(array("q") for _ in range(5)))
        totals[op] = total = totals.get(op, 0) + size_bytes
        for column, value in zip(kind, (start_ns, end_ns, size_bytes, total, number), strict=True):
            column.append(value)
    made = {op: Calls(*(np.array(column, np.int64) for column in kind)) for op, kind in columns.items()}
    return CallLog(made, offset_ns, bad_lines)


def _call(line: str) -> tuple[str, int, int, int] | None:
    """Return kind, start, end and size of the call in a line; None when it has none."""
    fields = line.split(",")
    if len(fields) != 5:
        return None
    try:
        start_ns, end_ns, size_bytes = int(fields[1]), int(fields[2]), int(fields[3])
    except ValueError:
        return None
    if not 0 <= start_ns <= end_ns <= MAX_INT64 or not 0 <= size_bytes <= MAX_CALL_BYTES:
        return None
    return fields[0], start_ns, end_ns, size_bytes


def _offset_ns(line: str) -> int | None:
    try:
        offset_ns = int(line.removeprefix(_OFFSET))
    except ValueError:
        return None
    return offset_ns if abs(offset_ns) <= MAX_INT64 else None


def read_log(path: Path) -> CallLog | None:
    """Return the log in a file; None when there is no such file."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        return parse_log(file)


def bytes_ahead_max(written: Calls, read: Calls) -> int:
    """Return the greatest number of bytes that were written and not yet read."""
    return int((written.total_bytes - read.done_at(written.end_ns)).max(initial=0))
