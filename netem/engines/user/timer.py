"""A timer that fires at an absolute CLOCK_MONOTONIC time: poll's millisecond time-outs are too coarse for a link."""

import os
import sys
import time


class DeadlineTimer:
    """A descriptor that becomes readable at the time it was armed for."""

    __slots__ = ("armed_ns", "fd")

    def __init__(self) -> None:
        self.fd = _create()
        self.armed_ns: int | None = None

    def arm(self, at_ns: int | None) -> None:
        """Fire at `at_ns`, at once when that has passed; None: never."""
        if sys.version_info >= (3, 13):
            # Zero would disarm, so the earliest time is one nanosecond after boot.
            os.timerfd_settime_ns(self.fd, flags=os.TFD_TIMER_ABSTIME, initial=0 if at_ns is None else max(1, at_ns))
        self.armed_ns = at_ns

    def acknowledge(self) -> None:
        """Take the expiry, so that the descriptor is no longer readable."""
        self.armed_ns = None
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return


def _create() -> int:
    if sys.version_info >= (3, 13):
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    raise NotImplementedError("os.timerfd_create is there from Python 3.13 on")
