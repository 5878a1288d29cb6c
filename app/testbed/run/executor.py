"""The ports of the runner: what executes an attempt at a cell, and who observes a run.

Implementations of `Executor`: `testbed.run.local` with this machine's container engine and guest VMs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.result import Result, cell_folder
from testbed.run.cell import Observer
from testbed.run.stop import Stop
from testbed.scenario.expand import PlannedCell


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a planned cell."""

    planned: PlannedCell
    number: int
    """1, or 2 for the repetition of an attempt that was not reliable."""

    folder: Path
    """Does not exist yet."""

    alone: bool = False
    """Whether no other cell runs at the same time."""

    @property
    def name(self) -> str:
        """Return the name of its folder, which is unique in the run."""
        return self.folder.name


def attempt_at(planned: PlannedCell, run_folder: Path, number: int = 1, *, alone: bool = False) -> Attempt:
    """Return an attempt with its folder below that of the run."""
    return Attempt(planned, number, run_folder / cell_folder(planned.id, planned.repetition, number), alone)


class Executor(Protocol):
    """Executes attempts, several at the same time."""

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:
        """Run one attempt, judge it, and leave its folder complete (`cell.json`, `result.json`).

        Blocks; called from many threads. Every failure of the cell is in its result; an attempt that `stop` ends has a
        result, too. Raises HostError only when there is no place for results, such as a full disk: the run then ends.
        """


class RunObserver(Protocol):
    """The observer of a run's progress: called from many threads, for each running attempt."""

    def begin(self, attempt: Attempt, number: int, count: int) -> None:
        """Observe that an attempt begins: the `number`th of `count` cells."""

    def phase(self, attempt: Attempt, name: str) -> None:
        """Observe that an attempt has reached this phase."""

    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None:
        """Observe the progress of its transfer."""

    def end(self, attempt: Attempt, result: Result) -> None:
        """Observe the result of an attempt."""

    def note(self, sentence: str) -> None:
        """Observe something that the user should know."""


@dataclass(frozen=True, slots=True)
class AttemptObserver:
    """The observer of one attempt, on behalf of a run's."""

    run: RunObserver
    attempt: Attempt

    def phase(self, name: str) -> None:
        """Observe that the cell has reached this phase."""
        self.run.phase(self.attempt, name)

    def progress(self, bytes_written: int, bytes_read: int) -> None:
        """Observe the progress of the transfer."""
        self.run.progress(self.attempt, bytes_written, bytes_read)
