"""The endpoint's memory and CPU time, read from /proc of the process namespace that it shares with this sidecar.

A cgroup would also count the page cache and, in version 2, socket buffers; processes show what the program itself
holds. The kernel counts pages in batches per CPU (at most about 100 kB), and CPU time in steps of 10 ms.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
COLUMNS = ("monotonic_ns", "realtime_ns", "processes", "memory_bytes", "resident_bytes", "cpu_ns")


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory and CPU time of all processes together; `memory_bytes` is anonymous memory: heap, stacks."""

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
    """Return anonymous and resident memory in bytes, from /proc/PID/statm."""
    words = text.split(maxsplit=3)
    resident, shared = int(words[1]), int(words[2])
    return max(0, resident - shared) * page_bytes, resident * page_bytes


def parse_stat(text: bytes) -> tuple[bool, int]:
    """Return from /proc/PID/stat whether the process is alive, and its CPU time in ticks.

    The program name is in parentheses and may itself contain blanks and parentheses.
    """
    words = text.rpartition(b")")[2].split(maxsplit=13)
    return words[0] not in {b"Z", b"X"}, int(words[11]) + int(words[12])


class Processes:
    """All processes of the namespace that belong to another container."""

    def __init__(self, proc: Path = PROC, own: Callable[[Path], bytes] | None = None) -> None:
        self._proc = proc
        self._group = own or _group
        self._own = self._group(proc / "self")
        self._known: dict[str, bool] = {}
        """Whether the process with this id is the endpoint's."""
        self._ticks: dict[str, int] = {}
        self._ended_ticks = 0
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def read(self) -> Usage | None:
        """Read the usage now; None when there is no such process. CPU time includes processes that have ended."""
        memory_bytes = resident_bytes = count = 0
        for pid in self._endpoint_processes():
            try:
                alive, ticks = parse_stat(self._bytes(pid, "stat"))
                memory, resident = parse_statm(self._bytes(pid, "statm"), self._page_bytes)
            except (OSError, IndexError, ValueError):
                continue
            self._ticks[pid] = ticks
            if alive:
                count += 1
                memory_bytes += memory
                resident_bytes += resident
        if not count:
            return None
        ticks = self._ended_ticks + sum(self._ticks.values())
        return Usage(count, memory_bytes, resident_bytes, ticks * self._tick_ns)

    def _endpoint_processes(self) -> list[str]:
        pids = [name for name in os.listdir(self._proc) if name.isdecimal()]  # noqa: PTH208 - many times a second
        for pid in pids:
            if pid not in self._known:
                self._known[pid] = self._group(self._proc / pid) not in {b"", self._own}
        for pid in self._known.keys() - set(pids):
            # The kernel reuses process ids.
            del self._known[pid]
            self._ended_ticks += self._ticks.pop(pid, 0)
        return [pid for pid in pids if self._known[pid]]

    def _bytes(self, pid: str, name: str) -> bytes:
        fd = os.open(f"{self._proc}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, 4096)
        finally:
            os.close(fd)


def foreign_processes(proc: Path = PROC) -> list[int]:
    """Return the ids of the processes of this namespace that belong to another container and have not ended."""
    own = _group(proc / "self")
    found = [int(each.name) for each in proc.iterdir() if each.name.isdecimal() and _group(each) not in {b"", own}]
    return [pid for pid in sorted(found) if _is_alive(proc / str(pid))]


def _is_alive(process: Path) -> bool:
    try:
        return parse_stat((process / "stat").read_bytes())[0]
    except (OSError, IndexError, ValueError):
        return False


def _group(process: Path) -> bytes:
    """Return the control groups of a process, which identify its container; empty when it has ended."""
    try:
        return (process / "cgroup").read_bytes()
    except OSError:
        return b""
