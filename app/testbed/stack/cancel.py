"""Stop a long operation that another thread executes: a boot, a build, a copy between two engines."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from testbed.errors import HostError


class CanceledError(HostError):
    """Report that an operation was stopped from outside, and not by a failure of its own."""


class Cancel:
    """A request to stop, set once, from any thread; operations register how each is stopped while it lasts."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may interrupt the thread that holds it
        self._stops: list[Callable[[], object]] = []
        self._set = False

    @property
    def is_set(self) -> bool:
        """Return whether the operations have been stopped."""
        return self._set

    def set(self) -> None:
        """Stop all operations that are registered, and every later one as soon as it begins."""
        with self._lock:
            self._set = True
            stops, self._stops = self._stops, []
        for stop in stops:
            with suppress(OSError):
                stop()

    def check(self, attempt: str) -> None:
        """Raise CanceledError when the operations have been stopped."""
        if self._set:
            raise CanceledError(f"{attempt}: it was stopped")

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let this request stop the operations that this thread begins in the block."""
        token = _ACTIVE.set(self)
        try:
            yield
        finally:
            _ACTIVE.reset(token)

    @contextmanager
    def stopping(self, attempt: str, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` if the block is to end; whatever it raises then is a CanceledError."""
        with self._lock:
            if self._set:
                raise CanceledError(f"{attempt}: it was stopped")
            self._stops.append(stop)
        try:
            yield
        except HostError as error:
            if self._set:
                raise CanceledError(f"{attempt}: it was stopped") from error
            raise
        finally:
            with self._lock:
                if stop in self._stops:
                    self._stops.remove(stop)


_ACTIVE: ContextVar[Cancel | None] = ContextVar("cancel", default=None)


def active_cancel() -> Cancel:
    """Return the request that stops what this thread begins; one that is never set when there is none."""
    return _ACTIVE.get() or Cancel()
