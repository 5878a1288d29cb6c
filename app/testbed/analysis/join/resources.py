"""Read `resources.csv`: memory and CPU time of one end's program over time."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from testbed.analysis.join.samples import MAX_INT64, Int64

COLUMNS: Final = ("monotonic_ns", "memory_bytes", "cpu_ns")


@dataclass(frozen=True, slots=True)
class Resources:
    """One element per sample; `memory_bytes` is the memory of the program itself, `line` its line in the file."""

    at_ns: Int64
    memory_bytes: Int64
    cpu_ns: Int64
    line: Int64

    def growth_bytes(self, from_ns: int) -> int | None:
        """Return by how much memory grew from a time on, at most; None without a sample before and one after it.

        A program that has just been started may use less memory than its starter did; this counts as no growth.
        """
        before = int(np.searchsorted(self.at_ns, from_ns, side="right")) - 1
        if before < 0 or before + 1 >= len(self.at_ns):
            return None
        return max(0, int(self.memory_bytes[before + 1 :].max() - self.memory_bytes[before]))

    def settled_growth_bytes(self, from_ns: int) -> int | None:
        """Return the same from the first sample after the time on: without what grew just as it began.

        A program that is started connects as soon as it has loaded all that it needs.
        """
        after = int(np.searchsorted(self.at_ns, from_ns, side="left"))
        if after + 1 >= len(self.at_ns):
            return None
        return int(self.memory_bytes[after:].max() - self.memory_bytes[after])


def parse_resources(lines: Iterable[str]) -> Resources | None:
    """Return the samples of a file; lines that cannot be parsed are left out, None when none can."""
    rows = []
    for number, row in enumerate(csv.DictReader(lines), 2):
        try:
            values = [int(row[name]) for name in COLUMNS]
        except (KeyError, TypeError, ValueError):
            continue
        if min(values) >= 0 and max(values) <= MAX_INT64:
            rows.append((*values, number))
    if not rows:
        return None
    at_ns, memory, cpu, line = np.array(rows, np.int64).T
    return Resources(at_ns, memory, cpu, line)


def read_resources(path: Path) -> Resources | None:
    """Return what is in a file; None when there is no such file or nothing in it."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return parse_resources(line for line in file if "\0" not in line)
