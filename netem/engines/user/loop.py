"""The data path of the user engine in Python: read a frame, push it to the pipeline, send the frames that are due.

A lane is one TAP and one pipeline. Frames are `bytes` with their virtio header in front. The allocator returns the
block freed last, so a busy lane works in warm cache (a ring of buffers would not). The pipeline alone decides.
"""

import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable

from netem.engines.user.devices import MAX_FRAME_BYTES, VNET_HEADER_BYTES
from netem.engines.user.timer import DeadlineTimer
from netem.pipeline import Frame, Pipeline
from netem.pipeline.frame import is_super_packet

_BURST_FRAMES = 64
"""Frames read in a row from one lane before the timer and the other lanes get their turn."""
_TRANSIENT = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})


def _must_wait(error: OSError, frame: Frame) -> bool:
    """Return whether the device may accept a frame later.

    ENOBUFS for a super-packet is final: the device cannot segment it, and past its queueing discipline nothing does.
    """
    if error.errno == errno.ENOBUFS and is_super_packet(frame, VNET_HEADER_BYTES):
        return False
    return error.errno in _TRANSIENT


class Lane:
    """One TAP and the pipeline for its frames."""

    __slots__ = ("pipeline", "tap")

    def __init__(self, tap: int, pipeline: Pipeline) -> None:
        self.tap = tap
        self.pipeline = pipeline


class Sender:
    """Send frames in order; a frame that the device cannot accept at the moment waits and goes first."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: deque[Frame] = deque()
        self.tx_rejected = 0
        """Frames that the device rejected (too long, or the device is down)."""

    @property
    def blocked(self) -> bool:
        """Return whether frames wait for the device."""
        return bool(self._waiting)

    def send(self, frames: list[Frame]) -> None:
        """Send `frames`, or queue them behind the frames that already wait."""
        if self._waiting:
            self._waiting.extend(frames)
            return
        send = self._sock.send
        for index, frame in enumerate(frames):
            try:
                send(frame)
            except OSError as error:
                if _must_wait(error, frame):
                    self._waiting.extend(frames[index:])
                    return
                self.tx_rejected += 1

    def flush(self) -> None:
        """Retry the frames that wait."""
        frames = list(self._waiting)
        self._waiting.clear()
        self.send(frames)


class Loop:
    """Serve lanes and one control descriptor until `stop`."""

    def __init__(self, lanes: list[Lane], sender: Sender, sender_fd: int, timer: DeadlineTimer) -> None:
        self._lanes = lanes
        self._sender = sender
        self._sender_fd = sender_fd
        self._epoll = select.epoll()
        self._timer = timer
        self._watching_sender = False
        self._running = False
        self._control: tuple[int, Callable[[], None]] = (-1, self.stop)
        self._by_fd = {lane.tap: lane for lane in lanes}
        for fd in (*self._by_fd, self._timer.fd):
            self._epoll.register(fd, select.EPOLLIN)

    def set_control(self, fd: int, callback: Callable[[], None]) -> None:
        """Call `callback` when `fd` is readable."""
        self._control = (fd, callback)
        self._epoll.register(fd, select.EPOLLIN)

    def stop(self) -> None:
        """Make `run` return."""
        self._running = False

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._running = True
        self.send_due()  # frames from another data path may be due, and no timer is armed for them
        poll, by_fd = self._epoll.poll, self._by_fd
        while self._running:
            for fd, _ in poll():
                lane = by_fd.get(fd)
                if lane is not None:
                    self._receive(lane)
                elif fd == self._timer.fd:
                    self._timer.acknowledge()
                elif fd == self._control[0]:
                    self._control[1]()
            self.send_due()

    def close(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()

    def send_due(self) -> None:
        """Send the frames that are due and arm the timer for the next one."""
        sender = self._sender
        if sender.blocked:
            sender.flush()
        next_ns: int | None = None
        for lane in self._lanes:
            pipeline = lane.pipeline
            due = pipeline.pop_due(time.monotonic_ns())
            if due:
                sender.send(due)
            at_ns = pipeline.next_due_ns()
            if at_ns is not None and (next_ns is None or at_ns < next_ns):
                next_ns = at_ns
        if next_ns != self._timer.armed_ns:
            self._timer.arm(next_ns)
        if sender.blocked != self._watching_sender:
            self._watch_sender(sender.blocked)

    def _receive(self, lane: Lane) -> None:
        tap, push, pop_due = lane.tap, lane.pipeline.push, lane.pipeline.pop_due
        read, monotonic_ns, send = os.read, time.monotonic_ns, self._sender.send
        try:
            for _ in range(_BURST_FRAMES):
                frame = read(tap, MAX_FRAME_BYTES)
                now_ns = monotonic_ns()
                push(frame, now_ns)
                due = pop_due(now_ns)
                if due:
                    send(due)
        except BlockingIOError:
            return

    def _watch_sender(self, blocked: bool) -> None:  # noqa: FBT001
        self._watching_sender = blocked
        if blocked:
            self._epoll.register(self._sender_fd, select.EPOLLOUT)
        else:
            self._epoll.unregister(self._sender_fd)
