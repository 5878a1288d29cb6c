"""Being told to stop: SIGTERM and SIGINT become a readable file descriptor and an event that threads can wait for.

A handler in Python could break into any line of the program. Here the signal only writes its number into a pipe;
the main thread reads it when it waits, and then does the stopping in plain code.
"""

import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Final, Self

_WOKEN: Final = b"\0"


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: a handler must exist for the wake-up descriptor to be written."""


class Stop:
    """Wait in the main thread until a signal or `wake` comes; `asked` is set once a signal was taken in."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _nothing)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # The descriptors stay open: a thread that is left behind may still wake nobody.

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._read_fd

    def wake(self) -> None:
        """Make `wait` return; may be called by any thread."""
        try:
            os.write(self._write_fd, _WOKEN)
        except BlockingIOError:
            return  # the pipe is full of reasons to wake up already

    def read(self) -> None:
        """Take in what was signalled so far."""
        try:
            signalled = os.read(self._read_fd, 4096)
        except BlockingIOError:
            return
        if signalled.strip(_WOKEN):
            self.requested.set()

    def wait(self) -> None:
        """Block until there is a signal or a `wake`."""
        select.select([self._read_fd], [], [])
        self.read()
