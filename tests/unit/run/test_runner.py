import queue
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.result import Failure, Result
from testbed.run.conclusion import read_result
from testbed.run.executor import Attempt
from testbed.run.runner import Runner, Surroundings, ending_of
from testbed.run.stop import Stop
from testbed.run.summary import Summary
from testbed.scenario.expand import PlannedCell, expand
from testbed.schedule.admission import Capacity, Reading
from testbed.schedule.scheduler import Ending, Rules
from tests.support.fake_executor import FakeExecutor, result_of
from tests.support.faulty_engine import CountingObserver

IDLE = Reading(0.0, 1 << 40)
WAIT_S = 30.0


def cells(count: int) -> list[PlannedCell]:
    return expand({"nodes": list(range(1, count + 1))})


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.observer = CountingObserver()
        self.stop = Stop()
        self.index: list[Summary] = []

    def runner(
        self,
        executor: FakeExecutor,
        rules: Rules,
        limit_s: Callable[[PlannedCell], float] = lambda _planned: 3600.0,
        **options,
    ) -> Runner:
        around = Surroundings(Capacity(64), lambda: IDLE, hard_limit_s=limit_s)
        return Runner(executor, self.observer, self.stop, rules=rules, surroundings=around, index=self, **options)

    def append(self, summary: Summary) -> None:
        self.index.append(summary)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_all_cells_run_and_each_is_recorded_once(bench: Bench) -> None:
    executor = FakeExecutor()
    runner = bench.runner(executor, Rules(jobs=3))
    runner.run(cells(10), bench.folder)
    assert bench.index == runner.summaries
    assert sorted(summary.cell for summary in bench.index) == sorted(cell.id for cell in cells(10))
    assert set(bench.observer.ended.values()) == {1}
    assert executor.most <= 3


def test_cells_run_at_the_same_time(bench: Bench) -> None:
    """All wait for each other: in sequence they would wait for ever."""
    barrier = threading.Barrier(4)

    def script(attempt: Attempt, _stop: Stop) -> Result:
        barrier.wait(WAIT_S)
        return result_of(attempt)

    executor = FakeExecutor(script)
    bench.runner(executor, Rules(jobs=4)).run(cells(8), bench.folder)
    assert executor.most == 4


def test_a_tainted_attempt_is_repeated_alone_and_both_are_kept(bench: Bench) -> None:
    tainted = cells(4)[1].id

    def script(attempt: Attempt, _stop: Stop) -> Result:
        return result_of(attempt, timing_reliable=attempt.planned.id != tainted or attempt.number == 2)

    executor = FakeExecutor(script)
    runner = bench.runner(executor, Rules(jobs=4, again=True))
    runner.run(cells(4), bench.folder)
    assert executor.alone == [f"{tainted}.a2"]
    assert len(runner.summaries) == 5
    assert [each.attempt for each in runner.summaries if each.cell == tainted] == [1, 2]
    assert (bench.folder / f"{tainted}.a2" / "result.json").exists()


def test_what_makes_an_attempt_unreliable() -> None:
    attempt = Attempt(cells(1)[0], 1, Path("r/c"))

    def of(kind: str, **fields: object) -> Ending:
        failure = Failure(kind=kind, message="x") if kind else None  # type: ignore[arg-type]
        return ending_of(result_of(attempt, failure=failure, status="error" if kind else "passed", **fields))

    assert of("") == Ending(failed=False, reliable=True)
    assert of("", timing_reliable=None) == Ending(failed=False, reliable=True)
    assert of("", timing_reliable=False) == Ending(failed=False, reliable=False)
    assert of("environment") == Ending(failed=True, reliable=False)
    assert of("endpoint") == Ending(failed=True, reliable=True)
    assert of("timeout") == Ending(failed=True, reliable=True)
    assert of("timeout", concurrent_cells=2) == Ending(failed=True, reliable=False)


def test_fail_fast_lets_running_cells_end(bench: Bench) -> None:
    failed = threading.Event()

    def script(attempt: Attempt, _stop: Stop) -> Result:
        if attempt.planned.cell.nodes == 1:
            return result_of(attempt, status="failed")
        assert failed.wait(WAIT_S)
        return result_of(attempt)

    runner = bench.runner(FakeExecutor(script), Rules(jobs=2, fail_fast=True))
    ended = bench.observer.end

    def end(attempt: Attempt, result: Result) -> None:
        ended(attempt, result)
        failed.set()

    bench.observer.end = end  # type: ignore[method-assign]
    runner.run(cells(5), bench.folder)
    assert sorted(summary.status for summary in runner.summaries) == ["failed", "passed"]
    assert runner.left_out == 3
    assert bench.observer.notes == ["3 of 5 cells did not begin: a cell has failed (--fail-fast)"]


def waits_for_stop(attempt: Attempt, stop: Stop) -> Result:
    ending = threading.Event()
    end = stop.subscribe(ending.set)
    assert ending.wait(WAIT_S)
    end()
    return result_of(attempt, status="error", failure=Failure(kind="interrupted", message="x"))


def test_an_interruption_ends_running_cells_and_begins_no_others(bench: Bench) -> None:
    def script(attempt: Attempt, stop: Stop) -> Result:
        if attempt.planned.cell.nodes == 2:
            stop.request()
        return waits_for_stop(attempt, stop)

    runner = bench.runner(FakeExecutor(script), Rules(jobs=2, again=True))
    with pytest.raises(KeyboardInterrupt):
        runner.run(cells(5), bench.folder)
    assert [summary.failure_kind for summary in runner.summaries] == ["interrupted"] * 2


def test_a_second_interruption_waits_for_nothing(bench: Bench) -> None:
    release = threading.Event()

    def script(attempt: Attempt, stop: Stop) -> Result:
        stop.request()
        stop.request()
        assert release.wait(WAIT_S)
        return result_of(attempt)

    runner = bench.runner(FakeExecutor(script), Rules(jobs=2))
    with pytest.raises(KeyboardInterrupt):
        runner.run(cells(5), bench.folder)
    assert runner.summaries == []
    release.set()


def test_a_cell_that_hangs_is_given_up_and_counted_once(bench: Bench) -> None:
    """Only the first cell has a limit that it reaches; its own result arrives late, before the last cell ends."""
    release = threading.Event()
    hung: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()

    def script(attempt: Attempt, _stop: Stop) -> Result:
        assert release.wait(WAIT_S)
        if attempt.planned.cell.nodes == 1:
            hung.put(threading.current_thread())
        elif attempt.planned.cell.nodes == 20:
            hung.get(timeout=WAIT_S).join(WAIT_S)
        return result_of(attempt)

    def limit_s(planned: PlannedCell) -> float:
        return 0.01 if planned.cell.nodes == 1 else 3600.0

    runner = bench.runner(FakeExecutor(script), Rules(jobs=2), limit_s)
    ended = bench.observer.end

    def end(attempt: Attempt, result: Result) -> None:
        ended(attempt, result)
        release.set()

    bench.observer.end = end  # type: ignore[method-assign]
    runner.run(cells(20), bench.folder)
    assert len(runner.summaries) == 20
    assert set(bench.observer.ended.values()) == {1}
    (given_up,) = [summary for summary in runner.summaries if summary.status == "error"]
    assert given_up == runner.summaries[0]
    assert given_up.failure_kind == "timeout"
    assert "the engine does not respond" in given_up.reason
    assert read_result(bench.folder / given_up.cell).status == "error"


@pytest.mark.parametrize("where", ["execute", "append", "end"])
def test_an_error_of_the_run_itself_ends_it_in_order(bench: Bench, where: str) -> None:
    error = HostError("write x: No space left on device")

    def fail(*_: object) -> None:
        raise error

    def script(attempt: Attempt, stop: Stop) -> Result:
        if attempt.planned.cell.nodes > 1:
            return waits_for_stop(attempt, stop)
        if where == "execute":
            fail()
        return result_of(attempt)

    if where == "append":
        bench.append = fail  # type: ignore[method-assign]
    elif where == "end":
        bench.observer.end = fail  # type: ignore[method-assign]
    runner = bench.runner(FakeExecutor(script), Rules(jobs=2))
    with pytest.raises(HostError, match="No space left"):
        runner.run(cells(5), bench.folder)
    assert len(runner.summaries) == (1 if where == "execute" else 2)


def test_cells_that_an_earlier_process_finished_are_not_repeated(bench: Bench) -> None:
    first = bench.runner(FakeExecutor(), Rules())
    first.run(cells(2), bench.folder)
    executor = FakeExecutor()
    later = bench.runner(executor, Rules(), finished=first.summaries)
    later.run(cells(4), bench.folder)
    assert executor.order == [cell.folder for cell in cells(4)[2:]]


def test_an_interruption_of_the_thread_itself_is_one(bench: Bench) -> None:
    """As in a program that embeds the runner, and whose Ctrl-C raises KeyboardInterrupt."""

    def script(attempt: Attempt, stop: Stop) -> Result:
        ending = threading.Event()
        end = stop.subscribe(ending.set)
        signal.pthread_kill(main, signal.SIGINT)
        while not ending.wait(10):  # the interpreter does not notice a signal just before it begins to wait
            signal.pthread_kill(main, signal.SIGINT)
        end()
        return waits_for_stop(attempt, stop)

    main = threading.main_thread().ident
    assert main is not None
    runner = bench.runner(FakeExecutor(script), Rules())
    with pytest.raises(KeyboardInterrupt):
        runner.run(cells(3), bench.folder)
    assert [summary.failure_kind for summary in runner.summaries] == ["interrupted"]
