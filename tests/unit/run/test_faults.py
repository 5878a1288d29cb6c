"""The runner over an engine in which anything fails, hangs or dies at any moment: nothing leaks, is lost or hangs."""

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from testbed.errors import TestbedError
from testbed.result import Result
from testbed.run import cell, reconnect
from testbed.run.run import Run
from testbed.run.runner import Surroundings
from testbed.run.site import LocalSite
from testbed.run.stop import Stop
from testbed.run.watch import Watch
from testbed.scenario.expand import Scenario, expand
from testbed.schedule.admission import Capacity, Reading
from testbed.schedule.scheduler import Rules
from testbed.stack.images import DOCKERFILES, Images
from tests.support.faulty_engine import FAULTS, CountingObserver, FaultyEngine

CALLS_OF_A_CELL = 40
WATCHDOG_S = 60.0
HARD_LIMIT_S = 0.6

# Each wait of a cell in seconds, which is also what its deadline scales to: faults of the engine make them all expire.
SHORT = {"READY_S": 0.3, "LISTEN_S": 0.3, "STOP_S": 0.1, "MERGE_S": 0.1, "FAST_STOP_S": 0.1, "IDLE_S": 0.1}


@contextmanager
def short_waits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SHORT.items():
            patch.setattr(cell, name, value)
        patch.setattr(cell, "ROOT_CAUSE_WAIT_S", 0.02)
        patch.setattr(reconnect, "RESTART_S", 1.0)
        patch.setattr(Watch.close, "__defaults__", (0.1,))
        yield


def cell_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("cell-")]


class FaultyRuns(RuleBasedStateMachine):
    """Runs one after another on one engine, each with its faults."""

    @initialize()
    def prepare(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="testbed-faults-"))
        self.checkout = self.folder / "checkout"
        for name in DOCKERFILES.values():
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (self.checkout / name).write_text("FROM base\n")
        self.engine = FaultyEngine()

    @rule(
        cells=st.integers(1, 4),
        jobs=st.sampled_from([None, 1, 2, 4]),
        again=st.booleans(),
        fail_fast=st.booleans(),
        faults=st.dictionaries(st.integers(3, 3 * CALLS_OF_A_CELL), st.sampled_from(FAULTS), max_size=4),
    )
    def run_cells(self, cells, jobs, again, fail_fast, faults) -> None:
        observer, engine = CountingObserver(), self.engine
        engine.stop, before = Stop(), set(self.runs())
        images = Images(engine, lambda _line: None, self.checkout)
        run = Run(
            LocalSite(engine, images, observer),
            observer,
            output=self.folder / "runs",
            rules=Rules(jobs=jobs, again=again, fail_fast=fail_fast),
            surroundings=Surroundings(Capacity(4), lambda: Reading(0.0), hard_limit_s=lambda _planned: HARD_LIMIT_S),
            stop=engine.stop,
        )
        scenario = Scenario(
            "faults", "", tuple(expand({"nodes": list(range(1, cells + 1)), "content": 0, "timeout": "200ms"}))
        )
        engine.arm(faults)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                run.run(scenario)
            except (KeyboardInterrupt, TestbedError) as error:
                errors.append(error)

        with short_waits():
            worker = threading.Thread(target=work, daemon=True)
            worker.start()
            worker.join(WATCHDOG_S)
            assert not worker.is_alive(), f"deadlock after {engine.happened}"
            engine.recover()
            for thread in cell_threads():
                thread.join(WATCHDOG_S)
            assert not cell_threads()
        created = set(self.runs()) - before
        if created and errors:
            assert isinstance(errors[0], KeyboardInterrupt)
            assert engine.stop.in_order
        if created:
            self.check(created.pop(), observer)

    def runs(self) -> list[Path]:
        return [path for path in (self.folder / "runs").glob("2*") if path.is_dir()]

    def check(self, folder: Path, observer: CountingObserver) -> None:
        at_once = self.engine.stop.at_once
        assert set(observer.begun.values()) <= {1}, "no attempt begins twice"
        assert set(observer.ended.values()) <= {1}, "none is counted twice"
        assert observer.ended.keys() <= observer.begun.keys()
        results = {
            path.parent.name: Result.model_validate_json(path.read_bytes()) for path in folder.glob("*/result.json")
        }
        assert results.keys() <= observer.begun.keys()
        if not at_once:
            assert results.keys() == observer.begun.keys(), "each attempt that began has a result on disk"
            assert observer.ended.keys() == observer.begun.keys(), "and the run has counted it"
            for result in observer.results:
                written = results[result.folder]
                assert (written.status, written.failure) == (result.status, result.failure)
            statuses = json.loads((folder / "run.json").read_text())["statuses"]
            assert statuses == {name: result.status for name, result in results.items()}
        if self.left_of(folder.name) and not at_once:
            texts = [*observer.notes, *(note for result in results.values() for note in result.notes)]
            texts += [result.reason for result in results.values()]
            reported = ("left behind", "could not be collected or removed", "does not respond", "no longer reachable")
            assert any(word in text for text in texts for word in reported), self.left_of(folder.name)
        for found in self.left_of(folder.name):
            self.engine.remove(found)

    def left_of(self, run: str) -> list:
        return [each.handle for each in self.engine.find(f"testbed.run={run}")]

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


FaultyRuns.TestCase.settings = settings(
    settings.default, max_examples=settings.default.max_examples // 10, stateful_step_count=3, deadline=None
)
test_faults = FaultyRuns.TestCase
