"""Run the cells of a plan, several at a time: a loop that waits for events, and one thread for each running cell.

The runner does not know what executes a cell; see `testbed.run.executor`.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from testbed.result import Result
from testbed.run.executor import Attempt, AttemptObserver, Executor, RunObserver, attempt_at
from testbed.run.stop import Stop
from testbed.run.summary import Summary, summary_of
from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import HOST


class RunIndex(Protocol):
    """Where a run records what has ended, so that it can be resumed."""

    def append(self, summary: Summary) -> None:
        """Record one attempt that has ended; called by one thread only."""


class NoIndex:
    """Record nothing."""

    def append(self, summary: Summary) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How many cells may run at the same time."""

    jobs: int = 1


@dataclass(frozen=True, slots=True)
class _Ended:
    attempt: Attempt
    result: Result | None
    error: BaseException | None = None


@dataclass(slots=True)
class Progress:
    """What has ended so far; `attempts` and `summaries` are in the order in which they ended."""

    attempts: list[Attempt] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)


class Runner:
    """Runs the cells of one run; `progress` can be read at any time."""

    def __init__(
        self,
        executor: Executor,
        observer: RunObserver,
        stop: Stop,
        *,
        limits: RunLimits | None = None,
        index: RunIndex | None = None,
        finished: Iterable[Summary] = (),
    ) -> None:
        """`finished` are attempts of an earlier process, which are not repeated."""
        self._executor = executor
        self._observer = observer
        self._stop = stop
        self._limits = limits or RunLimits()
        self._index = index or NoIndex()
        self._finished = {summary.folder for summary in finished}
        self._events: queue.SimpleQueue[_Ended | None] = queue.SimpleQueue()
        self._running: dict[str, Attempt] = {}
        self._error: BaseException | None = None
        self.progress = Progress()

    def run(self, cells: Sequence[PlannedCell], folder: Path) -> None:
        """Run all cells below the run folder, until all have ended or `stop` ends them in order.

        Raises what an executor raised, and KeyboardInterrupt if the run was stopped; both after the last running cell
        has ended, but a second interruption at once.
        """
        pending = deque(planned for planned in _kernel_by_kernel(cells) if planned.folder not in self._finished)
        number, count = len(cells) - len(pending), len(cells)
        end_subscription = self._stop.subscribe(lambda: self._events.put(None))
        try:
            while True:
                while pending and self._admits(pending[0]):
                    number += 1
                    self._begin(attempt_at(pending.popleft(), folder), number, count)
                if not self._running:
                    break
                self._receive()
        finally:
            end_subscription()
        if self._error is not None:
            raise self._error
        if self._stop.in_order:
            raise KeyboardInterrupt

    def _admits(self, planned: PlannedCell) -> bool:
        if self._stop.in_order or len(self._running) >= self._limits.jobs:
            return False
        # One guest at a time, and its cells one after another.
        kernels = {attempt.planned.cell.kernel for attempt in self._running.values()}
        return not kernels or kernels == {planned.cell.kernel} == {HOST}

    def _begin(self, attempt: Attempt, number: int, count: int) -> None:
        self._running[attempt.name] = attempt
        self._observer.begin(attempt, number, count)
        threading.Thread(target=self._execute, args=(attempt,), name=f"cell-{attempt.name}", daemon=True).start()

    def _execute(self, attempt: Attempt) -> None:
        try:
            result = self._executor.execute(attempt, AttemptObserver(self._observer, attempt), self._stop)
        except BaseException as error:
            self._events.put(_Ended(attempt, None, error))
        else:
            self._events.put(_Ended(attempt, result))

    def _receive(self) -> None:
        """Wait for an event; an interruption of this thread is one, too."""
        try:
            event = self._events.get()
        except KeyboardInterrupt:
            self._stop.request()
            event = None
        if event is not None:
            self._end(event)
        if self._stop.at_once:
            raise KeyboardInterrupt

    def _end(self, ended: _Ended) -> None:
        del self._running[ended.attempt.name]
        if ended.result is None:
            self._error = self._error or ended.error
            self._stop.end_in_order()
            return
        summary = summary_of(ended.result, bytes_on_disk=0, ended_ns=time.time_ns())
        self.progress.attempts.append(ended.attempt)
        self.progress.summaries.append(summary)
        self._index.append(summary)
        self._observer.end(ended.attempt, ended.result)


def _kernel_by_kernel(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Return the cells grouped by kernel, so that each guest VM boots once."""
    kernels = {kernel: number for number, kernel in enumerate(dict.fromkeys(planned.cell.kernel for planned in cells))}
    return sorted(cells, key=lambda planned: kernels[planned.cell.kernel])
