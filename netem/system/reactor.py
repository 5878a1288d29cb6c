"""One thread, one epoll: readable descriptors, deadlines and signals call functions. No clock but CLOCK_MONOTONIC.

An exception of a callback ends `run`; none is swallowed here.
"""

import heapq
import itertools
import os
import select
import signal
import time
from collections.abc import Callable

Callback = Callable[[], None]


class Timer:
    """A deadline that can be cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Prevent the call of the callback."""
        self.callback = None


class Reactor:
    """Call functions when descriptors are readable, when deadlines pass and when signals arrive."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()
        self._signals: dict[int, Callback] = {}
        self._running = False
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.add_reader(self._wakeup_read, self._drain_signals)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)

    def add_reader(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` is readable or has hung up."""
        self._readers[fd] = callback
        self._epoll.register(fd, select.EPOLLIN)

    def remove_reader(self, fd: int) -> None:
        """Stop watching `fd`; call this before closing it."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_at(self, deadline_ns: int, callback: Callback) -> Timer:
        """Call `callback` once CLOCK_MONOTONIC has reached `deadline_ns`."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (deadline_ns, next(self._order), timer))
        return timer

    def call_later(self, delay_ns: int, callback: Callback) -> Timer:
        """Call `callback` after `delay_ns`."""
        return self.call_at(time.monotonic_ns() + delay_ns, callback)

    def on_signal(self, number: signal.Signals, callback: Callback) -> None:
        """Call `callback`, outside of signal context, when `number` arrives."""
        self._signals[number] = callback
        signal.signal(number, _ignore)

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._running = True
        while self._running:
            # epoll rounds its timeout up to milliseconds, too coarse for samples every millisecond; select does not.
            select.select([self._epoll], [], [], self._timeout_s())
            for fd, _ in self._epoll.poll(0):
                callback = self._readers.get(fd)
                if callback is not None:
                    callback()
            self._run_timers()

    def stop(self) -> None:
        """Make `run` return after the current callback."""
        self._running = False

    def close(self) -> None:
        """Close the descriptors; the reactor cannot be used afterwards."""
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)
        self._epoll.close()
        os.close(self._wakeup_read)
        os.close(self._wakeup_write)

    def _timeout_s(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return max(0, self._timers[0][0] - time.monotonic_ns()) / 1e9

    def _run_timers(self) -> None:
        now_ns = time.monotonic_ns()
        while self._timers and self._timers[0][0] <= now_ns:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def _drain_signals(self) -> None:
        try:
            numbers = os.read(self._wakeup_read, 256)
        except BlockingIOError:
            return
        for number in dict.fromkeys(numbers):
            if number in self._signals:
                self._signals[number]()


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up descriptor has already recorded the signal."""
