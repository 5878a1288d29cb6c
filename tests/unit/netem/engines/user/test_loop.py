"""The loop with socket pairs for the TAP and the packet socket, and a timer that is armed but never waited for."""

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from netem.engines.user.devices import VNET_HEADER_BYTES
from netem.engines.user.loop import Lane, Loop, Sender
from netem.pipeline import Frame


class Pipeline:
    """Queue every frame until it is released."""

    def __init__(self) -> None:
        self.held: list[Frame] = []
        self.open = True
        self.due_ns: int | None = None

    def push(self, frame: Frame, now_ns: int) -> None:
        self.held.append(frame)

    def pop_due(self, now_ns: int) -> list[Frame]:
        if not self.open:
            return []
        due, self.held = self.held, []
        return due

    def next_due_ns(self) -> int | None:
        return self.due_ns if self.held else None


class Timer:
    def __init__(self) -> None:
        self.fd, self._other = os.pipe()
        self.armed_ns: int | None = None
        self.history: list[int | None] = []

    def arm(self, at_ns: int | None) -> None:
        self.armed_ns = at_ns
        self.history.append(at_ns)

    def acknowledge(self) -> None:
        self.armed_ns = None

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._other)


class Bench:
    def __init__(self) -> None:
        self.tap, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.out, self.wire = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for each in (self.tap, self.out, self.wire):
            each.setblocking(False)
        self.pipeline, self.timer = Pipeline(), Timer()
        self.sender = Sender(self.out)
        lane = Lane(self.tap.fileno(), self.pipeline)  # type: ignore[arg-type]
        self.loop = Loop([lane], self.sender, self.out.fileno(), self.timer)  # type: ignore[arg-type]
        self.stop_read, self.stop_write = os.pipe()
        self.loop.set_control(self.stop_read, self.loop.stop)

    def run_once(self) -> None:
        """Run the loop until it has handled all input, then stop."""
        os.write(self.stop_write, b"x")
        self.loop.run()
        os.read(self.stop_read, 1)

    def sent(self) -> list[bytes]:
        frames = []
        try:
            while True:
                frames.append(self.wire.recv(70_000))
        except BlockingIOError:
            return frames

    def close(self) -> None:
        for each in (self.tap, self.kernel, self.out, self.wire):
            each.close()
        os.close(self.stop_read)
        os.close(self.stop_write)
        self.timer.close()
        self.loop.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_frames_that_are_due_at_once_leave_in_order(bench: Bench) -> None:
    for number in range(5):
        bench.kernel.send(bytes([number]))
    bench.run_once()
    assert bench.sent() == [bytes([number]) for number in range(5)]
    assert bench.timer.history == []


def test_the_timer_is_armed_for_what_waits_and_disarmed_when_it_left(bench: Bench) -> None:
    bench.pipeline.open, bench.pipeline.due_ns = False, 77
    bench.kernel.send(b"late")
    bench.run_once()
    assert bench.sent() == []
    assert bench.timer.history == [77]
    bench.pipeline.open = True
    bench.run_once()
    assert bench.sent() == [b"late"]
    assert bench.timer.history == [77, None]


class Refusing:
    """A socket that accepts `room` frames and then fails with `code`."""

    def __init__(self, room: int, code: int) -> None:
        self.room, self.code = room, code
        self.sent: list[Frame] = []

    def send(self, frame: Frame) -> None:
        if len(self.sent) >= self.room:
            raise OSError(self.code, "no")
        self.sent.append(frame)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOBUFS])
def test_a_frame_that_the_device_cannot_accept_now_waits_in_order(code: int) -> None:
    refusing = Refusing(2, code)
    sender = Sender(refusing)  # type: ignore[arg-type]
    sender.send([b"1", b"2", b"3"])
    sender.send([b"4"])
    assert sender.blocked
    refusing.room = 3
    sender.flush()
    assert sender.blocked
    refusing.room = 9
    sender.flush()
    assert not sender.blocked
    sender.send([b"5"])
    assert refusing.sent == [b"1", b"2", b"3", b"4", b"5"]
    assert sender.tx_rejected == 0


def test_a_super_packet_that_the_device_cannot_segment_does_not_block_the_others() -> None:
    """The kernel answers ENOBUFS each time, so it would wait for ever."""
    super_packet = bytes((0, 1)) + bytes(VNET_HEADER_BYTES)
    refusing = Refusing(0, errno.ENOBUFS)
    sender = Sender(refusing)  # type: ignore[arg-type]
    sender.send([super_packet])
    assert not sender.blocked
    assert sender.tx_rejected == 1


def test_a_frame_that_the_device_rejects_is_counted(bench: Bench) -> None:
    sender = Sender(Refusing(1, errno.EMSGSIZE))  # type: ignore[arg-type]
    sender.send([b"1", b"2", b"3"])
    assert sender.tx_rejected == 2
    assert not sender.blocked
