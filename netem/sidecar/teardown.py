"""Undo a start: the newest step first, every step even if others fail, at most one error reported."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from netem.contract.errors import SidecarError, from_os_error
from netem.contract.events import EventStream


class Errors:
    """Emit the event `error`, and remember that there was one."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self.failed = False

    def report(self, error: SidecarError) -> None:
        """Emit the error."""
        self.failed = True
        self._events.emit("error", **error.facts())

    def attempt(self, step: Callable[[], object]) -> None:
        """Run a step of the teardown; after a first error a second is its consequence, and is not reported."""
        try:
            step()
        except SidecarError as error:
            if not self.failed:
                self.report(error)
        except OSError as error:
            if not self.failed:
                self.report(from_os_error("stop", error))


class Teardown:
    """The steps that undo what has been started so far; leaving the `with` block runs them, the newest first."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors
        self._stack = ExitStack()

    def add(self, step: Callable[[], object]) -> None:
        """Add a step; what it returns is ignored."""
        self._stack.callback(self._errors.attempt, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)
