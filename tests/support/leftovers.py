"""What a run has on the machine, and what of that is left: resources of Docker, processes, namespaces, devices, qdiscs.

Other runs may be on the machine at the same time. A run's resources are found by its label, its containers' processes
by their control groups, and the processes that it started on the host by a variable in their environment.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testbed.ownership import RUN, is_running, start_ticks
from testbed.stack.docker_engine import DockerEngine

PROC: Final = Path("/proc")
DEVICES: Final = Path("/sys/class/net")
NAMESPACES: Final = Path("/run/docker/netns")
OF_DOCKER: Final = re.compile(r"/docker[/-]([0-9a-f]{64})")


@dataclass
class Belongings:
    """What a run has at one moment."""

    processes: dict[int, int] = field(default_factory=dict)
    """Processes of its containers: start time in clock ticks, by process id."""

    namespaces: set[int] = field(default_factory=set)
    """Network namespaces of its containers, by inode."""

    devices: set[str] = field(default_factory=set)
    """The host's ends of its networks: bridges and their ports."""

    taps: int = 0
    """TAP devices in its namespaces."""

    qdiscs: int = 0
    """Qdiscs in its namespaces, other than the kernel's own `noqueue`."""


def belongings(engine: DockerEngine, run: str) -> Belongings:
    """Return what a run has; namespaces only of processes that this user may look at."""
    found = [each.handle for each in engine.find(f"{RUN}={run}")]
    containers = {handle.id for handle in found if handle.kind == "container"}
    made = Belongings()
    inside: dict[int, int] = {}
    for pid, container in container_processes():
        started = start_ticks(pid)
        if container in containers and started is not None:
            made.processes[pid] = started
            inside.setdefault(_namespace(pid), pid)
    # A container's first process is in the host's namespace for a moment.
    for other in (0, _namespace(os.getpid())):
        inside.pop(other, None)
    made.namespaces = set(inside)
    for pid in inside.values():
        links, qdiscs = _look_into(pid)
        made.taps += sum(link.get("linkinfo", {}).get("info_kind") == "tun" for link in links)
        made.qdiscs += sum(qdisc["kind"] != "noqueue" for qdisc in qdiscs)
    for bridge in (f"br-{handle.id[:12]}" for handle in found if handle.kind == "network"):
        if (DEVICES / bridge).exists():
            made.devices |= {bridge, *(port.name for port in (DEVICES / bridge / "brif").iterdir())}
    return made


def container_processes() -> Iterator[tuple[int, str]]:
    """Yield all processes that are in a container of Docker, with the container's id."""
    for folder in PROC.glob("[0-9]*"):
        try:
            match = OF_DOCKER.search((folder / "cgroup").read_text())
        except OSError:  # it has ended
            continue
        if match is not None:
            yield int(folder.name), match[1]


def _namespace(pid: int) -> int:
    try:
        return (PROC / str(pid) / "ns" / "net").stat().st_ino
    except OSError:
        return 0


def _look_into(pid: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return links and qdiscs of the namespace of a process; none if it has ended meanwhile."""
    texts = []
    for words in (("ip", "-d", "-j", "link"), ("tc", "-j", "qdisc")):
        argv = ["nsenter", "--target", str(pid), "--net", *words]
        texts.append(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)
    links, qdiscs = (json.loads(text or "[]") for text in texts)
    return links, qdiscs


def left(engine: DockerEngine, runs: Iterable[str], had: Iterable[Belongings], mark: str) -> list[str]:
    """Return a line for each thing that is left of runs, of what they had, and of processes with a mark."""
    lines = [f"{each.handle.kind} {each.handle.name}" for run in runs for each in engine.find(f"{RUN}={run}")]
    lines += [f"process {pid}: {command}" for pid, command in marked_processes(mark)]
    namespaces = set(_live_namespaces())
    disciplined = _qdiscs_of_the_host()
    for each in had:
        lines += [f"process {pid} of a container" for pid, ticks in each.processes.items() if is_running(pid, ticks)]
        lines += [f"network namespace {inode}, with its devices" for inode in each.namespaces & namespaces]
        lines += [f"device {name}" for name in each.devices if (DEVICES / name).exists()]
        lines += [f"qdisc of {name}" for name in each.devices & disciplined]
    return lines


def marked_processes(mark: str) -> Iterator[tuple[int, str]]:
    """Yield the running processes with this assignment in their environment."""
    for folder in PROC.glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is of another user
            continue
        if mark.encode() in environment and start_ticks(int(folder.name)) is not None:
            yield int(folder.name), command


def _live_namespaces() -> Iterator[int]:
    """Yield the network namespaces that a process is in, or that Docker keeps as a file."""
    yield from (_namespace(int(folder.name)) for folder in PROC.glob("[0-9]*"))
    if NAMESPACES.is_dir():
        for file in NAMESPACES.iterdir():
            yield file.stat().st_ino


def _qdiscs_of_the_host() -> set[str]:
    done = subprocess.run(["tc", "-j", "qdisc"], capture_output=True, text=True, check=True)
    return {str(qdisc.get("dev")) for qdisc in json.loads(done.stdout)}
