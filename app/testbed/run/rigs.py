"""The rigs of a run: a cell leases one that suits it; what it leaves is removed beside the next cells.

A rig suits a cell with the same key: machine, image of the sidecars, sysctls, files, capability for real time. After a
failure, with a trace that cannot be removed, or after MAX_CELLS cells a rig is closed, and another one replaces it.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from testbed.errors import EngineLostError, HostError

MAX_CELLS: Final = 250
"""Whatever a kernel keeps of a cell that no reset removes does not add up over a long run."""


def rig_limit(in_use: int) -> int:
    """Return how many rigs suit that many cells at the same time: some are reset while others are in use."""
    return in_use + max(1, in_use // 4)


class RigPort(Protocol):
    """What the pool needs of a rig."""

    @property
    def cells(self) -> int:
        """Return how many cells it has served."""

    @property
    def alive(self) -> bool:
        """Return whether its sidecars still run."""

    def finish(self, *, reset: bool) -> list[str]:
        """Remove the endpoints of the last cell and, with `reset`, its traces; return a sentence for each that is left.

        Raises HostError.
        """

    def close(self) -> list[HostError]:
        """Remove everything; return the errors of failed removals."""


R = TypeVar("R", bound=RigPort)


@dataclass(slots=True)
class Lease(Generic[R]):
    """A rig in use by one cell; `clean` is set when the cell has ended without a failure."""

    rig: R
    clean: bool = False


class RigPool(Generic[R]):
    """A few more rigs than there are cells at the same time; thread-safe."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._changed = threading.Condition()
        self._idle: list[tuple[Hashable, R]] = []
        """The one used last is the last."""
        self._in_use = 0
        """Leases, and requests that wait for one."""
        self._count = 0
        """Rigs that exist, are being made or closed."""
        self._threads: set[threading.Thread] = set()
        self._closing = False
        self.left = False
        """Whether a resource could not be removed."""

    @contextmanager
    def lease(self, key: Hashable, make: Callable[[], R]) -> Iterator[Lease[R]]:
        """Provide an idle rig with that key, or a new one. Raises what `make` raises."""
        with self._changed:
            self._in_use += 1
        try:
            lease = Lease(self._take(key, make))
            try:
                yield lease
            finally:
                self._in_background(lambda: self._give_back(key, lease))
        finally:
            with self._changed:
                self._in_use -= 1

    def close(self) -> None:
        """Wait until everything is removed that cells have left, and close all rigs. No lease may be in use."""
        with self._changed:
            self._closing = True
            idle, self._idle = self._idle, []
        for _, rig in idle:
            self._in_background(lambda rig=rig: self._close(rig))  # type: ignore[misc]
        self.settle()

    def settle(self) -> None:
        """Wait until everything is removed that ended cells have left, and until each rig is idle or closed."""
        while True:
            with self._changed:
                thread = next(iter(self._threads), None)
            if thread is None:
                return
            thread.join()

    def _take(self, key: Hashable, make: Callable[[], R]) -> R:
        with self._changed:
            while (found := self._idle_with(key)) is None and not self._make_room():
                # All are in use or being reset, and those that are being reset come back.
                self._changed.wait()
            if found is not None:
                return found
            self._count += 1
        try:
            return make()
        except BaseException:
            self._forget_one()
            raise

    def _idle_with(self, key: Hashable) -> R | None:
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][0] != key:
                continue
            _, rig = self._idle.pop(index)
            if rig.alive:
                return rig
            self._in_background(lambda rig=rig: self._close(rig))  # type: ignore[misc]
        return None

    def _make_room(self) -> bool:
        """Return whether there is room for another rig; if not, begin to close the one that was used first."""
        if self._count < rig_limit(self._in_use):
            return True
        if self._idle:
            _, oldest = self._idle.pop(0)
            self._in_background(lambda: self._close(oldest))
        return False

    def _give_back(self, key: Hashable, lease: Lease[R]) -> None:
        try:
            left = lease.rig.finish(reset=lease.clean)
        except HostError as error:
            left = [error.message]
        if lease.clean and left:
            self._note(f"a rig is replaced: {'; '.join(left)}")
        if left or not lease.clean or self._closing or lease.rig.cells >= MAX_CELLS:
            self._close(lease.rig)
            return
        with self._changed:
            self._idle.append((key, lease.rig))
            self._changed.notify_all()

    def _close(self, rig: R) -> None:
        for error in rig.close():
            self.left = True
            if not isinstance(error, EngineLostError):
                self._note(f"left behind: {error.message}")
        self._forget_one()

    def _forget_one(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def _in_background(self, action: Callable[[], None]) -> None:
        def run() -> None:
            try:
                action()
            finally:
                with self._changed:
                    self._threads.discard(thread)

        # A daemon: a second interruption does not wait for it, and the next run removes what it has left.
        thread = threading.Thread(target=run, name="rig", daemon=True)
        with self._changed:
            self._threads.add(thread)
        thread.start()
