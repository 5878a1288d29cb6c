"""A lock on the machine for tests in several processes: many share it, or one has it alone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, operation)  # closing the file unlocks it, whatever ends the process
        yield


class MachineLock:
    """Two files in a folder that the processes share: `machine`, and `gate` before it.

    Whoever waits for the machine holds the gate, so one that wants it alone waits for those who have it, but not for
    those who come after it.
    """

    def __init__(self, folder: Path) -> None:
        self._gate, self._machine = folder / "machine-gate.lock", folder / "machine.lock"

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Have the machine together with others."""
        with self._held(fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the machine alone."""
        with self._held(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _held(self, operation: int) -> Iterator[None]:
        with self._machine.open("a") as file:
            with _locked(self._gate, fcntl.LOCK_EX):
                fcntl.flock(file, operation)
            yield
