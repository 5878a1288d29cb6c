"""Labels on everything that the project makes in an engine, and whose it is.

Cleaning goes by these labels, never by a name. The owner is a process, told apart from a later one with the same id
by its start time, and from one in another boot or process namespace by their ids; so a dead owner on this host is
known for certain, and anybody else's things are left alone.
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
"""On things of a run with --keep: no later run sweeps them up."""


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
    """Return the owner that a label names; None when it is not of our making."""
    host, _, rest = text.partition("/")
    fields = rest.split("/")
    if not host or len(fields) != 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
        return None
    return Owner(host, fields[0], int(fields[1]), int(fields[2]))


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since the boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): field 22; the command in parentheses may hold spaces, so count from its end.
    return int(stat.rpartition(")")[2].split()[19])


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def this_process() -> Owner:
    """Return the owner that this process is."""
    namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    machine = _first_line("/etc/machine-id")[:12] or os.uname().nodename.replace("/", "_")
    boot = _first_line("/proc/sys/kernel/random/boot_id").replace("-", "")[:12]
    pid = os.getpid()
    return Owner(f"{machine}.{namespace}", boot, pid, start_ticks(pid) or 0)


def is_dead(owner: Owner, me: Owner) -> bool:
    """Return whether the owner was a process of this host that has ended; False when that cannot be known."""
    if owner.host != me.host:
        return False
    return owner.boot != me.boot or start_ticks(owner.pid) != owner.start_ticks


def labels(run: str, cell: str, role: str, owner: Owner, *, keep: bool = False) -> Mapping[str, str]:
    """Return the labels of one thing."""
    return {RUN: run, CELL: cell, ROLE: role, OWNER: str(owner)} | ({KEEP: "1"} if keep else {})
