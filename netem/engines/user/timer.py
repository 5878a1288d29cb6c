"""A timer for absolute CLOCK_MONOTONIC times; the millisecond time-outs of poll are too coarse for a link."""

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
        """Fire at `at_ns`, at once if it is past; None disarms."""
        if sys.version_info >= (3, 13):
            # Zero would disarm, so the earliest time is one nanosecond after boot.
            os.timerfd_settime_ns(self.fd, flags=os.TFD_TIMER_ABSTIME, initial=0 if at_ns is None else max(1, at_ns))
        self.armed_ns = at_ns

    def acknowledge(self) -> None:
        """Read the expiry, so that the descriptor is no longer readable."""
        self.armed_ns = None
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return


def _create() -> int:
    if sys.version_info >= (3, 13):
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    raise NotImplementedError("os.timerfd_create needs Python 3.13 or later")
