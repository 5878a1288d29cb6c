"""A fake engine in which anything may fail, hang or die at any call, and an observer that counts attempts."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from testbed.errors import EngineLostError, HostError
from testbed.ownership import CELL, ROLE
from testbed.result import Result
from testbed.run.executor import Attempt
from testbed.run.stop import Stop
from testbed.stack.ports import Exit, Found, Handle, Stream
from tests.support.fake_engine import FakeEngine

Fault = Literal["fail", "hang", "lost", "die", "stop", "stop twice"]
FAULTS: tuple[Fault, ...] = ("fail", "hang", "lost", "die", "stop", "stop twice")

HANG_S = 1.0
"""How long a request hangs before it fails: a minute in a real engine."""

LOST_CALLS = 8
"""How many calls fail while the engine restarts."""


class FaultyEngine(FakeEngine):
    """Every call is counted; at those in `faults` something happens, at others nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self.faults: dict[int, Fault] = {}
        self.calls = 0
        self.stop = Stop()
        self._lost_until = 0
        self.happened: list[str] = []

    def arm(self, faults: Mapping[int, Fault]) -> None:
        """Let faults happen at calls that are numbered from the next one."""
        with self._lock:
            self.faults = {self.calls + number: fault for number, fault in faults.items()}

    def recover(self) -> None:
        """Let nothing happen any more."""
        with self._lock:
            self.faults, self._lost_until = {}, 0

    def called(self, what: str, cell: str) -> None:
        with self._lock:
            self.calls += 1
            fault = self.faults.pop(self.calls, None)
            lost = self.calls < self._lost_until
            if fault == "lost":
                self._lost_until, lost = self.calls + LOST_CALLS, True
            if fault:
                self.happened.append(f"{fault} at {what} of {cell}")
        if fault == "die":
            self._die()
        elif fault == "stop":
            self.stop.request()
        elif fault == "stop twice":
            self.stop.request()
            self.stop.request()
        elif fault == "hang":
            threading.Event().wait(HANG_S)
            raise HostError(f"{what}: the engine did not answer")
        elif fault == "fail":
            raise HostError(f"{what}: it failed")
        if lost:
            self._die()
            raise EngineLostError(f"{what}: the Docker engine is no longer reachable", hint="start it")

    def _die(self) -> None:
        """Kill every process that runs, as when the engine's machine runs out of memory."""
        for processes in list(self.cells.values()):
            for process in list(processes.values()):
                if process.started and not process.exited:
                    process.exit(137)

    def find(self, label: str) -> list[Found]:
        self.called(f"find {label}", "")
        return super().find(label)

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        labels = self._labels(handle)
        self.called(f"attach {labels[ROLE]}", labels[CELL])
        follow = super().attach(handle, output)

        def following() -> Exit:
            exit_ = follow()
            self.called(f"wait {labels[ROLE]}", labels[CELL])
            return exit_

        return following

    def kill(self, handle: Handle, signal: str) -> None:
        self.called(f"kill {handle.name}", "")
        super().kill(handle, signal)

    def archive(self, handle: Handle, path: str) -> Iterator[bytes]:
        self.called(f"archive {handle.name}", "")
        yield from super().archive(handle, path)


class CountingObserver:
    """An observer that checks that each attempt begins once and ends once."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.notes: list[str] = []
        self.results: list[Result] = []

    def begin(self, attempt: Attempt, number: int, count: int) -> None:
        assert 1 <= number <= count
        self.begun[attempt.name] += 1

    def phase(self, attempt: Attempt, name: str) -> None: ...

    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None: ...

    def end(self, attempt: Attempt, result: Result) -> None:
        self.ended[attempt.name] += 1
        self.results.append(result)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)
