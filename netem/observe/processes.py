"""The endpoint's memory and CPU time, read from /proc of the process namespace that it shares with this sidecar.

A cgroup also counts the page cache and, on version 2, socket buffers; processes tell what the program itself holds.
The kernel counts pages in batches a CPU (at most some 100 kB), processor time of all threads in steps of 10 ms.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
COLUMNS = ("monotonic_ns", "realtime_ns", "processes", "memory_bytes", "resident_bytes", "cpu_ns")


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes together hold and have used; `memory_bytes` is what no file backs: heap, stacks."""

    processes: int
    memory_bytes: int
    resident_bytes: int
    cpu_ns: int

    def row(self, monotonic_ns: int, realtime_ns: int) -> str:
        """Return one line of resources.csv."""
        return (
            f"{monotonic_ns},{realtime_ns},{self.processes},{self.memory_bytes},{self.resident_bytes},{self.cpu_ns}\n"
        )


def header() -> str:
    """Return the first line of resources.csv."""
    return ",".join(COLUMNS) + "\n"


def parse_statm(text: bytes, page_bytes: int) -> tuple[int, int]:
    """Return memory that no file backs, and all resident memory, in bytes, from /proc/PID/statm."""
    words = text.split(maxsplit=3)
    resident, shared = int(words[1]), int(words[2])
    return max(0, resident - shared) * page_bytes, resident * page_bytes


def parse_stat(text: bytes) -> tuple[bool, int]:
    """Return from /proc/PID/stat whether the process still lives, and its CPU time in ticks.

    The name of the program stands in parentheses and may hold blanks and parentheses.
    """
    words = text.rpartition(b")")[2].split(maxsplit=13)
    return words[0] not in {b"Z", b"X"}, int(words[11]) + int(words[12])


class Processes:
    """All processes of the namespace that belong to another container than this one."""

    def __init__(self, proc: Path = PROC, own: Callable[[Path], bytes] | None = None) -> None:
        self._proc = proc
        self._group = own or _group
        self._own = self._group(proc / "self")
        self._known: dict[str, bool] = {}
        """Whether the process with this number is the endpoint's."""
        self._ticks: dict[str, int] = {}
        self._ended_ticks = 0
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def read(self) -> Usage | None:
        """Return the usage of now; None when there is no such process. CPU time of processes that ended stays in."""
        memory_bytes = resident_bytes = count = 0
        for number in self._theirs():
            try:
                alive, ticks = parse_stat(self._bytes(number, "stat"))
                memory, resident = parse_statm(self._bytes(number, "statm"), self._page_bytes)
            except (OSError, IndexError, ValueError):
                continue
            self._ticks[number] = ticks
            if alive:
                count += 1
                memory_bytes += memory
                resident_bytes += resident
        if not count:
            return None
        ticks = self._ended_ticks + sum(self._ticks.values())
        return Usage(count, memory_bytes, resident_bytes, ticks * self._tick_ns)

    def _theirs(self) -> list[str]:
        numbers = [name for name in os.listdir(self._proc) if name.isdecimal()]  # noqa: PTH208 - many times a second
        for number in numbers:
            if number not in self._known:
                self._known[number] = self._group(self._proc / number) not in {b"", self._own}
        for number in self._known.keys() - set(numbers):
            # The kernel gives numbers again.
            del self._known[number]
            self._ended_ticks += self._ticks.pop(number, 0)
        return [number for number in numbers if self._known[number]]

    def _bytes(self, number: str, name: str) -> bytes:
        fd = os.open(f"{self._proc}/{number}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, 4096)
        finally:
            os.close(fd)


def _group(process: Path) -> bytes:
    """Return the control groups of a process, which tell containers apart; empty when it has gone."""
    try:
        return (process / "cgroup").read_bytes()
    except OSError:
        return b""
