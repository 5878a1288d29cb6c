"""Where the CPU time of a cell goes: the processes of a run, by what they are for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.task_stats import Ended, by_process

ORCHESTRATOR: Final = "the command line, with the analysis"
DAEMON: Final = "dockerd"
HELPERS: Final = "processes of dockerd: its own program, iptables"
RUNTIME: Final = "containerd, shims, runc"
STORAGE: Final = "the storage driver's processes"
SIDECARS: Final = "sidecars"
CAPTURE: Final = "tcpdump"
ENDPOINTS: Final = "endpoints"

_BY_NAME: Final = {
    "exe": HELPERS,
    "iptables": HELPERS,
    "ip6tables": HELPERS,
    "containerd": RUNTIME,
    "containerd-shim": RUNTIME,
    "runc": RUNTIME,
    "fuse-overlayfs": STORAGE,
    "fusermount3": STORAGE,
    "docker-init": SIDECARS,
    "ip": SIDECARS,
    "tc": SIDECARS,
    "tcpdump": CAPTURE,
}
_LIVING: Final = {"dockerd": DAEMON, "containerd": RUNTIME}
_TICK_US: Final = 10_000


def part_of(process: Ended, processes: Mapping[int, Ended], orchestrator: int) -> str | None:
    """Return the part of a cell that a process belongs to; None if it is none of the run."""
    if process.process == orchestrator:
        return ORCHESTRATOR
    if process.name.startswith("runc:"):
        return RUNTIME
    if process.name in _BY_NAME:
        return _BY_NAME[process.name]
    parent = processes.get(process.parent)
    if parent is None:
        return None
    if parent.name == "docker-init" or part_of(parent, processes, orchestrator) == SIDECARS:
        return SIDECARS
    return ENDPOINTS if parent.name == "containerd-shim" else None


def parts_us(ended: Iterable[Ended], orchestrator: int) -> dict[str, int]:
    """Return the CPU time of each part, of what has ended."""
    processes = by_process(ended)
    found: dict[str, int] = defaultdict(int)
    for process in processes.values():
        part = part_of(process, processes, orchestrator)
        if part is not None:
            found[part] += process.cpu_us
    return dict(found)


def living_us(root: Path = Path("/proc")) -> dict[str, int]:
    """Return the CPU time so far of the daemons, which do not end with the run."""
    found: dict[str, int] = defaultdict(int)
    for stat in root.glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().partition("(")
        except OSError:
            continue
        name, _, fields = rest.rpartition(")")
        if name in _LIVING:
            user, system = fields.split()[11:13]
            found[_LIVING[name]] += (int(user) + int(system)) * _TICK_US
    return dict(found)
