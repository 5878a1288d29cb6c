"""Read an event log call by call: when each began and ended and what it moved, a column of numbers a field."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import BLOCKED_NS, MAX_INT64, parse_event

Int64 = NDArray[np.int64]

_OFFSET: Final = "# realtime_offset_ns="


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one kind in the order of the log; times are CLOCK_MONOTONIC, `line` is where each stands in its file."""

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
        """Tell for each whether it had to wait."""
        found: NDArray[np.bool_] = self.duration_ns >= BLOCKED_NS
        return found

    def done_at(self, at_ns: Int64) -> Int64:
        """Return the bytes that all calls ended by each time have moved."""
        count = np.searchsorted(self.end_ns, at_ns, side="right")
        return np.concatenate(([0], self.total_bytes))[count]

    def size_going_on_at(self, at_ns: Int64) -> Int64:
        """Return the size of the call that is going on at each time, 0 where none is."""
        following = np.searchsorted(self.end_ns, at_ns, side="right")
        begun = np.concatenate((self.start_ns, [np.iinfo(np.int64).max]))[following] <= at_ns
        return np.where(begun, np.concatenate((self.size_bytes, [0]))[following], 0)

    def any_within(self, from_ns: Int64, until_ns: Int64) -> NDArray[np.bool_]:
        """Tell for each stretch of time whether a call began or ended in it."""
        found = np.zeros(len(from_ns), np.bool_)
        for times in (self.start_ns, self.end_ns):
            found |= np.searchsorted(times, until_ns, side="right") > np.searchsorted(times, from_ns, side="left")
        return found


@dataclass(frozen=True, slots=True)
class CallLog:
    """One end's log: calls by kind. `realtime_offset_ns` leads from CLOCK_MONOTONIC to CLOCK_REALTIME if it is told."""

    by_op: dict[str, Calls]
    realtime_offset_ns: int | None = None

    def of(self, op: str) -> Calls | None:
        """Return the calls of one kind; None when there were none."""
        return self.by_op.get(op)


def parse_calls(lines: Iterable[str]) -> CallLog:
    """Return what a log says; lines that cannot be read are left out."""
    columns: dict[str, tuple[array[int], ...]] = {}
    totals: dict[str, int] = {}
    offset_ns = None
    for number, line in enumerate(lines, 1):
        event = parse_event(line)
        if event is None:
            offset_ns = _offset_ns(line) if line.startswith(_OFFSET) else offset_ns
            continue
        kind = columns.setdefault(event.op, tuple(array("q") for _ in range(5)))
        totals[event.op] = total = totals.get(event.op, 0) + event.size_bytes
        for column, value in zip(kind, (event.start_ns, event.end_ns, event.size_bytes, total, number), strict=True):
            column.append(value)
    made = {op: Calls(*(np.array(column, np.int64) for column in kind)) for op, kind in columns.items()}
    return CallLog(made, offset_ns)


def _offset_ns(line: str) -> int | None:
    try:
        offset_ns = int(line.removeprefix(_OFFSET))
    except ValueError:
        return None
    return offset_ns if abs(offset_ns) <= MAX_INT64 else None


def read_calls(path: Path) -> CallLog | None:
    """Return the log in a file; None when there is no such file or no call in it."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        log = parse_calls(file)
    return log if log.by_op else None
