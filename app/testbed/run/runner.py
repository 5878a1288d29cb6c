"""Run the cells of a plan, several at a time: a loop that waits for events, and one thread for each running cell.

The scheduler chooses what begins, the executor runs it; neither knows the other.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from testbed.errors import TestbedError
from testbed.result import Failure, Result
from testbed.run.contract import hard_limit_s
from testbed.run.executor import Attempt, Executor, RunObserver, attempt_at
from testbed.run.folder import folder_bytes
from testbed.run.gauge import read_machine, this_capacity
from testbed.run.stop import Stop
from testbed.run.summary import Summary, summary_of
from testbed.scenario.expand import PlannedCell
from testbed.schedule.admission import Capacity, Reading
from testbed.schedule.needs import needs_of
from testbed.schedule.scheduler import Choice, Ending, Rules, Scheduler

LOOK_AGAIN_S: Final = 1.0
"""Interval of looking at the machine's load, as cells may wait for it.

No wait is longer: a signal that arrives just before the main thread begins to wait does not end that wait.
"""


class RunIndex(Protocol):
    """Where a run records what has ended, so that it can be resumed."""

    def append(self, summary: Summary) -> None:
        """Record one attempt that has ended; called by one thread only."""


class NoIndex:
    """Record nothing."""

    def append(self, summary: Summary) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the runner uses of the machine; tests replace it."""

    capacity: Capacity = field(default_factory=this_capacity)
    reading: Callable[[], Reading] = read_machine
    clock_ns: Callable[[], int] = time.monotonic_ns
    hard_limit_s: Callable[[PlannedCell], float] = hard_limit_s


@dataclass(frozen=True, slots=True)
class _Transfers:
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class _Ended:
    attempt: Attempt
    result: Result | None
    error: BaseException | None = None
    bytes_on_disk: int = 0


_Event = _Transfers | _Ended | None
"""None: the run is to end."""


@dataclass(frozen=True, slots=True)
class _Observer:
    """The observer of one attempt: passes everything on, and the beginning of the transfer to the loop."""

    run: RunObserver
    attempt: Attempt
    events: "queue.SimpleQueue[_Event]"

    def phase(self, name: str) -> None:
        if name == "transfer":
            self.events.put(_Transfers(self.attempt))
        self.run.phase(self.attempt, name)

    def progress(self, bytes_written: int, bytes_read: int) -> None:
        self.run.progress(self.attempt, bytes_written, bytes_read)


@dataclass(frozen=True, slots=True)
class _Running:
    index: int
    attempt: Attempt
    limit_ns: int


class Runner:
    """Runs the cells of one run; `summaries` has what has ended, in the order in which it ended.

    `left_out` is how many cells did not begin, because of a rule of the scheduler.
    """

    def __init__(
        self,
        executor: Executor,
        observer: RunObserver,
        stop: Stop,
        *,
        rules: Rules | None = None,
        index: RunIndex | None = None,
        finished: Iterable[Summary] = (),
        surroundings: Surroundings | None = None,
    ) -> None:
        """`finished` are attempts of an earlier process; of their cells only those that it was to repeat are."""
        self._executor = executor
        self._observer = observer
        self._stop = stop
        self._rules = rules or Rules()
        self._index = index or NoIndex()
        # The last attempt of each.
        self._finished = {
            (each.cell, each.repetition): each for each in sorted(finished, key=lambda summary: summary.attempt)
        }
        self._around = surroundings or Surroundings()
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._running: dict[str, _Running] = {}
        self._error: BaseException | None = None
        self.summaries: list[Summary] = []
        self.left_out = 0

    def run(self, cells: Sequence[PlannedCell], folder: Path) -> None:
        """Run all cells below the run folder, until all have ended, or `stop` or a rule of the scheduler ends the run.

        Raises what an executor raised, and KeyboardInterrupt if the run was stopped; both after the last running cell
        has ended, but a second interruption at once.
        """
        ended = {index: self._finished.get((each.id, each.repetition)) for index, each in enumerate(cells)}
        scheduler = Scheduler(
            [needs_of(planned.cell) for planned in cells],
            self._rules,
            self._around.capacity,
            self._around.clock_ns(),
            done={index for index, last in ended.items() if last is not None},
            again=[index for index, last in ended.items() if last is not None and is_to_be_repeated(last, self._rules)],
        )
        end_subscription = self._stop.subscribe(lambda: self._events.put(None))
        try:
            self._loop(scheduler, cells, folder, len(cells))
        finally:
            end_subscription()
        if self._error is not None:
            raise self._error
        if self._stop.in_order:
            raise KeyboardInterrupt
        self.left_out = len(scheduler.not_begun)
        if self.left_out:
            self._observer.note(f"{self.left_out} of {len(cells)} cells did not begin: {scheduler.closed}")

    def _loop(self, scheduler: Scheduler, cells: Sequence[PlannedCell], folder: Path, count: int) -> None:
        while True:
            try:
                self._begin_all(scheduler, cells, folder, count)
                if not self._running:
                    return
                self._receive(scheduler)
            except KeyboardInterrupt:
                self._stop.request()
            if self._stop.at_once:
                raise KeyboardInterrupt

    def _begin_all(self, scheduler: Scheduler, cells: Sequence[PlannedCell], folder: Path, count: int) -> None:
        if self._stop.in_order:
            scheduler.close("the run was interrupted")
        while choice := scheduler.next(self._around.clock_ns(), self._reading()):
            number = count - scheduler.cells_waiting
            self._begin(choice, attempt_at(cells[choice.index], folder, choice), number, count)

    def _reading(self) -> Reading:
        return Reading() if self._rules.jobs == 1 else self._around.reading()

    def _begin(self, choice: Choice, attempt: Attempt, number: int, count: int) -> None:
        limit_ns = round(self._around.hard_limit_s(attempt.planned) * 1e9)
        self._running[attempt.name] = _Running(choice.index, attempt, self._around.clock_ns() + limit_ns)
        with self._ending_the_run():
            self._observer.begin(attempt, number, count)
        threading.Thread(target=self._execute, args=(attempt,), name=f"cell-{attempt.name}", daemon=True).start()

    def _execute(self, attempt: Attempt) -> None:
        try:
            result = self._executor.execute(attempt, _Observer(self._observer, attempt, self._events), self._stop)
            ended = _Ended(attempt, result, bytes_on_disk=folder_bytes(attempt.folder))
        except BaseException as error:
            ended = _Ended(attempt, None, error)
        self._events.put(ended)

    def _receive(self, scheduler: Scheduler) -> None:
        """Wait for an event; that time has passed is one, too."""
        try:
            event = self._events.get(timeout=self._wait_s())
        except queue.Empty:
            scheduler.calm(self._reading())
            self._abandon_hung(scheduler)
            return
        if isinstance(event, _Transfers) and event.attempt.name in self._running:
            scheduler.transfers(self._running[event.attempt.name].index)
        elif isinstance(event, _Ended):
            self._end(scheduler, event)

    def _wait_s(self) -> float:
        first_ns = min(each.limit_ns for each in self._running.values())
        limit_s = max(0.0, (first_ns - self._around.clock_ns()) / 1e9)
        return min(limit_s, LOOK_AGAIN_S)

    def _abandon_hung(self, scheduler: Scheduler) -> None:
        """Write the results of attempts that have exceeded their limit: their threads wait for an engine that hangs."""
        now_ns = self._around.clock_ns()
        for each in [each for each in self._running.values() if each.limit_ns <= now_ns]:
            limit_s = self._around.hard_limit_s(each.attempt.planned)
            message = (
                f"the cell did not end within {limit_s:g} s, all its time-outs together: the engine does not respond"
            )
            failure = Failure(kind="timeout", message=message, hint="`testbed clean` removes what is left of it")
            try:
                ended = _Ended(each.attempt, self._executor.abandon(each.attempt, failure))
            except TestbedError as error:
                ended = _Ended(each.attempt, None, error)
            self._end(scheduler, ended)

    @contextmanager
    def _ending_the_run(self) -> Iterator[None]:
        """End the run in order, and raise later, what goes wrong in the loop itself: a full disk, a closed pipe."""
        try:
            yield
        except BaseException as error:
            self._error = self._error or error
            self._stop.end_in_order()

    def _end(self, scheduler: Scheduler, ended: _Ended) -> None:
        running = self._running.pop(ended.attempt.name, None)
        if running is None:
            return  # it was abandoned before
        if ended.result is None:
            self._error = self._error or ended.error
            self._stop.end_in_order()
            scheduler.end(running.index, Ending(failed=True, reliable=True), self._around.clock_ns(), Reading())
            return
        summary = summary_of(ended.result, bytes_on_disk=ended.bytes_on_disk, ended_ns=time.time_ns())
        scheduler.end(running.index, ending_of(ended.result), self._around.clock_ns(), self._reading())
        self.summaries.append(summary)
        with self._ending_the_run():
            self._index.append(summary)
            self._observer.end(ended.attempt, ended.result)


def is_to_be_repeated(last: Summary, rules: Rules) -> bool:
    """Return whether the last attempt of an earlier process at a cell is to be repeated alone."""
    return rules.again and last.attempt == 1 and last.timing_reliable is False and not last.reused_from


def ending_of(result: Result) -> Ending:
    """Return how an attempt ended, for the scheduler: a time-out may be the fault of the cells beside it."""
    kind = result.failure.kind if result.failure is not None else ""
    by_the_machine = kind == "environment" or (kind == "timeout" and result.concurrent_cells > 1)
    return Ending(
        failed=result.status in ("failed", "error"),
        reliable=result.timing_reliable is not False and not by_the_machine,
    )
