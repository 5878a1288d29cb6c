"""The ports of the runner: what executes an attempt at a cell, and who observes a run.

Implementations of `Executor`: `testbed.run.local` with this machine's container engine and guest VMs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.result import Failure, Result, cell_folder
from testbed.run.cell import Observer
from testbed.run.stop import Stop
from testbed.scenario.expand import PlannedCell
from testbed.schedule.scheduler import Choice


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


def attempt_at(planned: PlannedCell, run_folder: Path, choice: Choice) -> Attempt:
    """Return the attempt that the scheduler has chosen, with its folder below that of the run."""
    path = run_folder / cell_folder(planned.id, planned.repetition, choice.number)
    return Attempt(planned, choice.number, path, choice.alone)


class Executor(Protocol):
    """Executes attempts, several at the same time."""

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:
        """Run one attempt, judge it, and leave its folder complete (`cell.json`, `result.json`).

        Blocks; called from many threads. Every failure of the cell is in its result; an attempt that `stop` ends has a
        result, too. Raises HostError only when there is no place for results, such as a full disk: the run then ends.
        """

    def abandon(self, attempt: Attempt, failure: Failure) -> Result:
        """Write and return the result of an attempt that hangs in `execute`, which then writes none.

        If `execute` has just written one, that is returned.
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
