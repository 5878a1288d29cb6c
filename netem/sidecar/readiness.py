"""Decide when the sidecar is ready: one list of conditions, for the event `ready` and for the deadline's message.

Pure: the conditions come in as functions, and nothing here reads a clock or a socket.
"""

from collections.abc import Callable, Iterable

Condition = Callable[[], Iterable[str]]
"""Return a text for each thing that is still awaited."""


class Readiness:
    """Call a function once, as soon as no condition awaits anything."""

    def __init__(self) -> None:
        self._conditions: list[Condition] = []
        self._callbacks: list[Callable[[], None]] = []
        self.reached = False

    def require(self, condition: Condition) -> None:
        """Add a condition."""
        self._conditions.append(condition)

    def awaited(self) -> list[str]:
        """Return what is still awaited, in the order in which the conditions were added."""
        return [text for condition in self._conditions for text in condition()]

    def call_when_reached(self, callback: Callable[[], None]) -> None:
        """Register `callback` and check: all conditions must have been added by now."""
        self._callbacks.append(callback)
        self.check()

    def check(self) -> None:
        """Evaluate the conditions again; call this whenever one of them may have changed."""
        if self.reached or not self._callbacks or self.awaited():
            return
        self.reached = True
        for callback in self._callbacks:
            callback()
