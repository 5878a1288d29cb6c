"""Remove every trace of a cell from a namespace that the next cell uses, and report what could not be removed.

The supervisor has removed the devices and the queueing disciplines, and the orchestrator the endpoints. What the kernel
keeps beyond that would make the next cell differ from one in a new namespace: sockets in TIME_WAIT, the metrics that
TCP remembers of a destination, neighbours, metrics of the routes. The files of the volume go, too.
"""

import os
import select
import shutil
import stat
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from netem.contract.errors import SidecarError
from netem.contract.settings import FAMILIES
from netem.observe.netlink import destroy_connections
from netem.observe.processes import foreign_processes
from netem.system.process import run
from netem.system.route import clear_route_metrics

NETWORK_DEVICES = Path("/sys/class/net")
KEPT = "link"
"""Tables and traces, which belong to all cells of a session."""
MAX_ENTRIES = 1000
"""Files that an endpoint may leave in its folder; the removal of more would take too long."""
_GONE_S = 1.0
_ROUTE_VARIABLES = "NETEM_ROUTE_"


class Reset:
    """The traces of one cell in this network namespace, its processes and its volume."""

    def __init__(self, device: str, folder: Path) -> None:
        """Remember the devices that belong here."""
        self._device = device
        self._folder = folder
        self._devices = _devices()

    def run(self, environment: Mapping[str, str]) -> list[str]:
        """Remove everything that a cell with these settings may have left; return a sentence for what is left."""
        steps: tuple[Callable[[], Collection[str]], ...] = (
            foreign_processes_left,
            destroy_connections,
            lambda: self._forget_peers(environment),
            lambda: sorted(f"the device {name} is left" for name in _devices() ^ self._devices),
            lambda: clear(self._folder),
        )
        left: list[str] = []
        for step in steps:
            try:
                left += step()
            except (SidecarError, OSError) as error:
                left.append(str(error))
        return left

    def _forget_peers(self, environment: Mapping[str, str]) -> list[str]:
        if any(value and name.startswith(_ROUTE_VARIABLES) for name, value in environment.items()):
            clear_route_metrics(self._device, FAMILIES)
        forgotten = run(["ip", "-batch", "-"], text=f"neigh flush dev {self._device}\ntcp_metrics flush\n")
        return [f"ip: {forgotten.stderr.strip()}"] if forgotten.status else []


def foreign_processes_left(timeout_s: float = _GONE_S) -> list[str]:
    """Return a sentence if a process of an endpoint is left; one that has been killed may take a moment to end."""
    deadline_s = time.monotonic() + timeout_s
    while pids := foreign_processes():
        for pid in pids:
            _await_end(pid, deadline_s)
        if time.monotonic() >= deadline_s:
            return [f"processes of an endpoint still run: {', '.join(map(str, pids))}"]
    return []


def _await_end(pid: int, deadline_s: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([fd], [], [], max(0.0, deadline_s - time.monotonic()))
    finally:
        os.close(fd)


def clear(folder: Path) -> list[str]:
    """Empty the volume but for the files of the link, and the folder of the endpoint; return what is left."""
    endpoint = folder / "endpoint"
    entries = [each for each in folder.iterdir() if each.name not in (KEPT, endpoint.name)]
    if endpoint.exists():
        entries += list(endpoint.iterdir())
    if len(entries) > MAX_ENTRIES:
        return [f"the endpoint has left {len(entries)} files"]
    for entry in entries:
        # rmtree follows no link, and an endpoint's folder that root may not read is an error.
        if stat.S_ISDIR(entry.lstat().st_mode):
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return []


def _devices() -> frozenset[str]:
    return frozenset(each.name for each in NETWORK_DEVICES.iterdir())
