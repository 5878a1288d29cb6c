"""A run of 100 000 cells: how long its plan takes to expand and to write, and the run to load and to list."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.figure import Figure
from testbed.result import SCHEMA_VERSION
from testbed.run.conclusion import write_run_document
from testbed.run.index import rewrite_index
from testbed.run.plan_document import plan_document
from testbed.run.summary import Summary
from testbed.scenario.expand import MAX_CELLS, PlannedCell, expand

LINKS: Final = 50_000
"""Names of one file; file systems allow some 65 000."""


def plan() -> list[PlannedCell]:
    """Return the cells of a scenario with as many as are allowed."""
    fields = {
        "client": ["py", "c"],
        "family": ["ipv4", "ipv6"],
        "delay": [f"{number}ms" for number in range(100)],
        "latency": ["1ms", "2ms", "5ms", "10ms", "20ms"],
        "chunk": [1000 * number for number in range(1, 51)],
    }
    return expand(fields)


def summary_of(planned: PlannedCell) -> Summary:
    """Return the line of a cell that has passed."""
    return Summary(
        folder=planned.folder,
        cell=planned.id,
        repetition=1,
        attempt=1,
        status="passed",
        reason="",
        failure_kind="",
        timing_reliable=True,
        machine_name="host1",
        inputs="0123456789abcdef0123456789abcdef",
        reused_from="",
        isolation="fresh",
        duration_s=1.5,
        goodput_bytes_per_s=1e6,
        bytes=4096,
        ended_ns=1,
    )


def make_run(run: Path, cells: list[PlannedCell]) -> float:
    """Make a run folder in which every cell has a result; return how long its `run.json` took to write, in s."""
    run.mkdir(parents=True)
    for number, planned in enumerate(cells):
        (run / planned.folder).mkdir()
        source = run / cells[number // LINKS * LINKS].folder / "result.json"
        if number % LINKS:
            os.link(source, run / planned.folder / "result.json")
        else:
            source.write_text("{}\n")
    rewrite_index(run, map(summary_of, cells))
    start_s = time.perf_counter()
    write_run_document(
        run, {"schema_version": SCHEMA_VERSION, "run": run.name, "scenario": "bench", **plan_document(cells)}
    )
    return time.perf_counter() - start_s


def list_s(output: Path, *arguments: str) -> float:
    """Return how long `testbed list` takes, in s."""
    program = str(Path(sys.executable).with_name("testbed"))
    start_s = time.perf_counter()
    subprocess.run([program, "list", *arguments, "--output", str(output)], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def measure() -> Iterator[Figure]:
    """Measure a run with the most cells that are allowed."""
    start_s = time.perf_counter()
    cells = plan()
    yield Figure("expand 100 000 cells", time.perf_counter() - start_s, "s", most=30)
    assert len(cells) == MAX_CELLS
    with tempfile.TemporaryDirectory(prefix="testbed-bench-") as folder:
        output = Path(folder)
        written_s = make_run(output / "run", cells)
        yield Figure("write run.json of 100 000 cells", written_s, "s", most=10)
        yield Figure("run.json of 100 000 cells", (output / "run" / "run.json").stat().st_size / 1e6, "MB")
        yield Figure("list the cells of a run of 100 000", list_s(output, "run"), "s", most=5)
        yield Figure("the same as JSON", list_s(output, "run", "--json"), "s")
        yield Figure("list the runs", list_s(output), "s", most=5)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield Figure("most memory of a listing", usage.ru_maxrss / 1024, "MiB")
