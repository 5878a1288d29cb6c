"""Resource labels and ownership: which run a resource belongs to, and whether the process that made it still runs.

Resources are selected by these labels, never by name. The owner is a process: its start time distinguishes it from a
later one with the same id, and `host` and `boot` from one in another process namespace or another boot. A dead owner on
this host is therefore known for certain, and resources of other hosts are not touched.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUN: Final = "testbed.run"
CELL: Final = "testbed.cell"
ROLE: Final = "testbed.role"
OWNER: Final = "testbed.owner"
KEEP: Final = "testbed.keep"
"""On resources of a run with --keep: later runs do not remove them."""

_NO_PROCESS: Final = "ZX"
"""States of proc(5) in which a process has ended: a zombie still has its id and its start time, but no longer runs."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: `host` names the machine and process namespace, `boot` the boot, `start_ticks` its start time."""

    host: str
    boot: str
    pid: int
    start_ticks: int

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.start_ticks}"


def parse_owner(text: str) -> Owner | None:
    """Return the owner that a label names; None when the text is invalid."""
    host, _, rest = text.partition("/")
    fields = rest.split("/")
    if not host or len(fields) != 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
        return None
    return Owner(host, fields[0], int(fields[1]), int(fields[2]))


def start_ticks(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), stat field 22); None when none runs."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The command in parentheses may contain spaces and parentheses, so count from its end.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in _NO_PROCESS else int(fields[19])


def is_running(pid: int, started_ticks: int | None) -> bool:
    """Return whether the process of this namespace that started then still runs; None: it had ended already."""
    return started_ticks is not None and start_ticks(pid) == started_ticks


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def this_process() -> Owner:
    """Return this process as an owner."""
    namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    machine = _first_line("/etc/machine-id")[:12] or os.uname().nodename.replace("/", "_")
    boot = _first_line("/proc/sys/kernel/random/boot_id").replace("-", "")[:12]
    pid = os.getpid()
    return Owner(f"{machine}.{namespace}", boot, pid, start_ticks(pid) or 0)


def is_dead(owner: Owner, me: Owner) -> bool:
    """Return whether the owner was a process of this host that has ended; False when that is unknown."""
    if owner.host != me.host:
        return False
    return owner.boot != me.boot or not is_running(owner.pid, owner.start_ticks)


def labels(run: str, cell: str, role: str, owner: Owner, *, keep: bool = False) -> Mapping[str, str]:
    """Return the labels of one resource."""
    return {RUN: run, CELL: cell, ROLE: role, OWNER: str(owner)} | ({KEEP: "1"} if keep else {})


@dataclass(frozen=True, slots=True)
class ResourceLabels:
    """The labels that all resources of one cell share."""

    run: str
    cell: str
    owner: Owner
    keep: bool = False

    def for_role(self, role: str) -> Mapping[str, str]:
        """Return the labels of the resource with this role."""
        return labels(self.run, self.cell, role, self.owner, keep=self.keep)
