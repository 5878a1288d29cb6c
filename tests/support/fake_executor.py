"""An executor without containers: each attempt ends as its script says, and leaves a small result on disk."""

import threading
from collections.abc import Callable

from testbed.result import Failure, Metrics, Result
from testbed.run.cell import Observer
from testbed.run.executor import Attempt
from testbed.run.folder import write_json
from testbed.run.stop import Stop

Script = Callable[[Attempt, Stop], Result]


def result_of(attempt: Attempt, **fields: object) -> Result:
    """Return the result of an attempt; it has passed unless `fields` say otherwise."""
    planned = attempt.planned
    values: dict[str, object] = {
        "run": attempt.folder.parent.name,
        "cell": planned.id,
        "repetition": planned.repetition,
        "attempt": attempt.number,
        "status": "passed",
        "reason": "",
        "requested": planned.cell.requested(),
        "link": {},
        "metrics": Metrics(bytes_written=1, bytes_read=1, duration_s=0.5, goodput_bytes_per_s=2.0),
        "timing_reliable": True,
        "checks": [],
        "findings": [],
        "notes": [],
    }
    return Result.model_validate(values | fields)


class FakeExecutor:
    """Runs scripts; `most` is how many ran at the same time, `alone` the names of those that did so on request."""

    def __init__(self, script: Script = lambda attempt, _stop: result_of(attempt)) -> None:
        self.script = script
        self.most = 0
        self.alone: list[str] = []
        self.order: list[str] = []
        self._results: dict[str, Result] = {}
        self._running = 0
        self._lock = threading.Lock()

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            self.order.append(attempt.name)
            if attempt.alone:
                assert self._running == 1
                self.alone.append(attempt.name)
        try:
            observer.phase("transfer")
            observer.progress(1, 1)
            return self._conclude(attempt, self.script(attempt, stop))
        finally:
            with self._lock:
                self._running -= 1

    def abandon(self, attempt: Attempt, failure: Failure) -> Result:
        return self._conclude(attempt, result_of(attempt, status="error", reason=failure.message, failure=failure))

    def _conclude(self, attempt: Attempt, result: Result) -> Result:
        """Write the result of an attempt, once: its own thread and the one that abandons it may be here together."""
        with self._lock:
            if attempt.name not in self._results:
                attempt.folder.mkdir(exist_ok=True, parents=True)
                write_json(attempt.folder / "result.json", result.model_dump())
                self._results[attempt.name] = result
            return self._results[attempt.name]
