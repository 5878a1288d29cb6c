"""Memory and time of the runner itself, over ten thousand cells whose executor only writes a result."""

import gc
import json
import multiprocessing
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.figure import Figure
from testbed.result import Failure, Finding, Metrics, Result
from testbed.run.cell import Observer
from testbed.run.executor import Attempt
from testbed.run.runner import Runner, Surroundings
from testbed.run.stop import Stop
from testbed.scenario.expand import PlannedCell, expand
from testbed.schedule.admission import Capacity, Reading
from testbed.schedule.scheduler import Rules

CELLS: Final = 10_000
WARM_CELLS: Final = 1000
"""After so many, everything is imported and the allocator has what it needs."""

JOBS: Final = 8
TAINTED_EVERY: Final = 100
FINDINGS: Final = 8
"""A result of a slow reader has about as many, each with its facts."""


class Simulated:
    """An executor that writes a result of the usual size; every hundredth first attempt is not reliable."""

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:  # noqa: ARG002
        observer.phase("transfer")
        number = attempt.planned.repetition
        facts = {f"fact_{index}_s": number + index / 7 for index in range(12)}
        result = Result(
            run="simulated",
            cell=attempt.planned.id,
            repetition=number,
            attempt=attempt.number,
            status="passed",
            reason="",
            requested=attempt.planned.cell.requested(),
            link={},
            metrics=Metrics(duration_s=number / 3, goodput_bytes_per_s=number / 7),
            timing_reliable=attempt.number == 2 or number % TAINTED_EVERY > 0,
            checks=[],
            findings=[Finding(name=f"f{index}", sentence="x" * 100, facts=facts) for index in range(FINDINGS)],
            notes=[],
        )
        attempt.folder.mkdir()
        (attempt.folder / "result.json").write_text(json.dumps(result.model_dump()))
        return result

    def abandon(self, attempt: Attempt, failure: Failure) -> Result:
        raise AssertionError(f"{attempt.name}: {failure.message}")


class Progress:
    """An observer that measures the memory after the first cells."""

    def __init__(self) -> None:
        self.ended = 0
        self.warm_bytes = 0

    def begin(self, attempt: Attempt, number: int, count: int) -> None: ...
    def phase(self, attempt: Attempt, name: str) -> None: ...
    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None: ...
    def note(self, sentence: str) -> None: ...

    def end(self, attempt: Attempt, result: Result) -> None:  # noqa: ARG002
        self.ended += 1
        if self.ended == WARM_CELLS:
            self.warm_bytes = rss_bytes()


def rss_bytes() -> int:
    """Return the resident memory of this process."""
    gc.collect()
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@dataclass(frozen=True)
class Simulation:
    """What a simulated run took."""

    growth_bytes: int
    cell_s: float
    attempts: int


def simulate(folder: Path) -> Simulation:
    """Run the cells below a folder."""
    (planned,) = expand({"delay": "1s"})
    cells: list[PlannedCell] = [replace(planned, repetition=number) for number in range(1, CELLS + 1)]
    progress = Progress()
    around = Surroundings(Capacity(64), lambda: Reading(0.0, 1 << 40))
    runner = Runner(Simulated(), progress, Stop(), rules=Rules(jobs=JOBS, again=True), surroundings=around)
    start = time.perf_counter()
    runner.run(cells, folder)
    cell_s = (time.perf_counter() - start) / CELLS
    return Simulation(rss_bytes() - progress.warm_bytes, cell_s, len(runner.summaries))


def measure() -> Iterator[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="testbed-simulated-"))
    try:
        # In a process of its own, whose memory nothing else uses.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            done = pool.apply(simulate, (folder,))
    finally:
        shutil.rmtree(folder)
    assert done.attempts == CELLS + CELLS // TAINTED_EVERY
    yield Figure(f"memory that {CELLS - WARM_CELLS} cells add", done.growth_bytes / 1e6, "MB", most=10)
    yield Figure("runner's time for a cell", done.cell_s * 1000, "ms", most=20)
