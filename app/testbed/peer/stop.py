"""Stop signals: SIGTERM and SIGINT make a file descriptor readable and set an event that threads can wait for.

A handler in Python could interrupt the program at any line. Here the signal only writes its number into a pipe; the
main thread reads it when it waits, and stops the program outside the handler.
"""

import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Final, Self

_WOKEN: Final = b"\0"


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor is only written if a handler exists."""


class Stop:
    """Wait in the main thread for a signal or `wake`; `requested` is set once a signal was read."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # The descriptors stay open: a remaining thread may still call `wake`.

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._read_fd

    def wake(self) -> None:
        """Make `wait` return; may be called by any thread."""
        try:
            os.write(self._write_fd, _WOKEN)
        except BlockingIOError:
            return  # the pipe is full, so `wait` returns anyway

    def read(self) -> None:
        """Read the signals that are pending."""
        try:
            signalled = os.read(self._read_fd, 4096)
        except BlockingIOError:
            return
        if signalled.strip(_WOKEN):
            self.requested.set()

    def wait(self) -> None:
        """Block until a signal or a `wake`."""
        select.select([self._read_fd], [], [])
        self.read()
