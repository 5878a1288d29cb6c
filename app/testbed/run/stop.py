"""The request to stop a run: first in order, then at once. Thread-safe, and safe in a signal handler."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """A request that is made at most twice: `in_order`, then `at_once`.

    Whoever waits subscribes, and so needs no polling. Cells that are stopped in order stop their programs, collect
    their raw files and remove their containers.
    """

    def __init__(self) -> None:
        # Reentrant: a signal handler may interrupt the thread that holds it.
        self._lock = threading.RLock()
        self._level = 0
        self._callbacks: dict[object, Callable[[], None]] = {}

    @property
    def in_order(self) -> bool:
        """Return whether the run is to end; running cells end in order."""
        return self._level >= 1

    @property
    def at_once(self) -> bool:
        """Return whether the run is to end without waiting for its cells."""
        return self._level >= 2

    def request(self) -> bool:
        """Request the next level; return whether anyone has subscribed, and so will see it."""
        with self._lock:
            self._level = min(2, self._level + 1)
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()
        return bool(callbacks)

    def end_in_order(self) -> None:
        """Request that running cells end in order, unless that has been requested already."""
        if not self.in_order:
            self.request()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at each request, from any thread, and now if one was made; return what ends the subscription.

        The callback must return at once and take no lock that is not reentrant.
        """
        key = object()
        with self._lock:
            self._callbacks[key] = callback
            requested = self._level > 0
        if requested:
            callback()

        def end() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return end

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Subscribe without a callback, for code that looks at `in_order` itself."""
        end = self.subscribe(lambda: None)
        try:
            yield
        finally:
            end()


class StoppedError(Exception):
    """Report that a wait has ended because the run is to end."""
