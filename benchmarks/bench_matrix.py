"""Short cells an hour with eight jobs, against empty containers and the build before; the CPU time of a cell.

The containers of the floor do nothing: this is what the Docker engine allows on this machine. The build before runs its
cells one after another, which is all that it can.
"""

import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docker import DockerClient

from benchmarks.bench_run import Floor
from benchmarks.cell_cpu import living_us, parts_us
from benchmarks.figure import Figure
from benchmarks.revision import CHECKOUT, revision_before
from benchmarks.task_stats import TaskStats
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images

JOBS: Final = 8
CELLS: Final = 48
WARM_CELLS: Final = 240
CELLS_BEFORE: Final = 16
AT_ONCE: Final = 64
BEFORE: Final = "f85b740"
"""The last revision whose matrix runs one cell after another; BENCH_BEFORE names another."""

SHORT: Final = {"client": "py", "server": "py", "family": "ipv4", "nodes": 10, "content": 100}
GOAL_FRESH, GOAL_WARM = 2500, 10_000
GOAL_OVER_BEFORE: Final = 2
GOAL_CPU_S: Final = 1.45
"""Half of the build before, 2.9 s."""
GOAL_FRESH_S, GOAL_WARM_S = 2.0, 0.3


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a scenario."""

    duration_s: float
    pid: int
    document: dict[str, Any]

    @property
    def results(self) -> list[dict[str, Any]]:
        """Return the results of its cells."""
        return list(self.document["results"])

    def rate(self) -> float:
        """Return the cells that passed, an hour."""
        passed = [result for result in self.results if result["status"] == "passed"]
        return 3600 * len(passed) / self.duration_s


def run_matrix(folder: str, fields: dict[str, Any], *options: str, source: Path | None = None) -> Ran:
    """Run a scenario of these fields with this build, or with the one whose source is in a folder."""
    scenario = Path(folder, f"{secrets.token_hex(4)}.yaml")
    scenario.write_text(json.dumps({"cells": fields}))
    path = {"PYTHONPATH": f"{source / 'app'}:{source}"} if source else {}
    argv = [sys.executable, "-m", "testbed", "matrix", str(scenario), "--json", "--output", folder, *options]
    start_s = time.monotonic()
    process = subprocess.Popen(
        argv, env=os.environ | path, cwd=source or CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    out, _ = process.communicate()
    return Ran(time.monotonic() - start_s, process.pid, json.loads(out))


def cells(count: int) -> dict[str, Any]:
    """Return the fields of as many short cells, which differ in their chunks."""
    return SHORT | {"chunk": [1000 + number for number in range(count)]}


def measure() -> Iterator[Figure]:
    """Measure everything, in about ten minutes."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as source:
        run_matrix(folder, cells(1))  # which builds the images
        yield from _cpu(folder)
        floor = _floor_rate()
        fresh = run_matrix(folder, cells(CELLS), "-j", str(JOBS), "--no-again").rate()
        before = _before_rate(folder, Path(source))
        what = f"short cells with {JOBS} jobs"
        yield Figure("empty containers of short cells, the same", floor, "/h")
        yield Figure(f"{what}, fresh", fresh, "/h", least=GOAL_FRESH)
        yield Figure(f"{what}, fresh over empty containers", fresh / floor, "")
        yield Figure("short cells of the build before", before, "/h")
        yield Figure(f"{what}, fresh over the build before", fresh / before, "", least=GOAL_OVER_BEFORE)
        yield from _warm(folder, what)
        yield from _at_once(folder)


def _cpu(folder: str) -> Iterator[Figure]:
    """Run fresh cells one after another: duration and CPU time of one, and where it goes."""
    living = living_us()
    with TaskStats() as stats:
        ran = run_matrix(folder, cells(CELLS_BEFORE), "-j", "1", "--no-again")
    parts = parts_us(stats.ended, ran.pid)
    for part, after_us in living_us().items():
        parts[part] = parts.get(part, 0) + after_us - living.get(part, 0)
    yield Figure("a fresh cell, not parallel", ran.duration_s / CELLS_BEFORE, "s", most=GOAL_FRESH_S)
    yield Figure("CPU time of a fresh cell", sum(parts.values()) / CELLS_BEFORE / 1e6, "s", most=GOAL_CPU_S)
    for part, cpu_us in sorted(parts.items(), key=lambda item: -item[1]):
        yield Figure(f"of which {part}", cpu_us / CELLS_BEFORE / 1e6, "s")


def _floor_rate() -> float:
    with closing(DockerEngine()) as engine:
        engine.connect()
        images = Images(engine, lambda _: None)
        tags = {name: images.ours(name)[0] for name in ("netem", "client", "server")}

    def one(_number: int) -> None:
        with closing(DockerClient.from_env()) as client:
            Floor(client, tags, f"testbed-bench-{secrets.token_hex(4)}").empty()

    start_s = time.monotonic()
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, range(CELLS)))
    return 3600 * CELLS / (time.monotonic() - start_s)


def _before_rate(folder: str, source: Path) -> float:
    revision = revision_before() or BEFORE
    packed = subprocess.run(["git", "archive", revision], cwd=CHECKOUT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(source, filter="data")
    run_matrix(folder, cells(1), source=source)  # which builds its images
    return run_matrix(folder, cells(CELLS_BEFORE), source=source).rate()


def _warm(folder: str, what: str) -> Iterator[Figure]:
    warm = ("--isolation", "warm")
    yield Figure(
        f"{what}, warm",
        run_matrix(folder, cells(WARM_CELLS), "-j", str(JOBS), "--no-again", *warm).rate(),
        "/h",
        least=GOAL_WARM,
    )
    few, many = (run_matrix(folder, cells(count), "-j", "1", "--no-again", *warm).duration_s for count in (4, 24))
    yield Figure("a warm cell, not parallel", (many - few) / 20, "s", most=GOAL_WARM_S)


def _at_once(folder: str) -> Iterator[Figure]:
    """Run cells that wait most of the time, all at the same time."""
    waiting = cells(AT_ONCE) | {"delay": "1s", "content": 5000}
    ran = run_matrix(folder, waiting, "-j", str(AT_ONCE), "--no-again")
    what = f"{AT_ONCE} cells with a read delay of 1 s at once"
    yield Figure(f"{what}, passed", sum(each["status"] == "passed" for each in ran.results), "", least=AT_ONCE)
    yield Figure(f"{what}, with a timing issue", sum(not each["timing_reliable"] for each in ran.results), "", most=0)
    yield Figure(f"{what}, duration", ran.duration_s, "s")
