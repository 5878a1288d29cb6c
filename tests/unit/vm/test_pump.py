import socket

import pytest

from testbed.vm.mux import WINDOW_BYTES, FrameType, MuxEvent
from testbed.vm.pump import PortClosedError, Pump


class Joined:
    """A host's and a guest's pump over a socket pair; `engine` is what the guest connects channels to."""

    def __init__(self) -> None:
        port, port_peer = socket.socketpair()
        self.sockets = [port, port_peer]
        self.host_events: list[MuxEvent] = []
        self.engines: list[socket.socket] = []
        self.host = Pump(port.fileno(), self.host_events.append)
        self.guest = Pump(port_peer.fileno(), self._on_guest_event)
        self.refuse = False

    def _on_guest_event(self, event: MuxEvent) -> None:
        if event.type is FrameType.OPEN and self.refuse:
            self.guest.mux.reset(event.channel)
        elif event.type is FrameType.OPEN:
            ours, theirs = socket.socketpair()
            self.guest.attach(event.channel, theirs)
            ours.setblocking(False)
            self.engines.append(ours)

    def client(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.host.attach(self.host.mux.open(), theirs)
        ours.setblocking(False)
        self.sockets.append(ours)
        return ours

    def turn(self, times: int = 40) -> None:
        for _ in range(times):
            self.host.step(0)
            self.guest.step(0)

    def close(self) -> None:
        self.host.drop_all()
        self.guest.drop_all()
        for sock in [*self.sockets, *self.engines]:
            sock.close()


@pytest.fixture
def joined() -> Joined:
    made = Joined()
    yield made
    made.close()


def test_a_request_and_its_response(joined: Joined) -> None:
    client = joined.client()
    client.send(b"ping")
    joined.turn()
    assert joined.engines[0].recv(100) == b"ping"
    joined.engines[0].send(b"pong")
    joined.turn()
    assert client.recv(100) == b"pong"


def test_a_response_follows_the_end_of_the_request(joined: Joined) -> None:
    client = joined.client()
    client.send(b"all")
    client.shutdown(socket.SHUT_WR)
    joined.turn()
    assert joined.engines[0].recv(100) == b"all"
    assert joined.engines[0].recv(100) == b""
    joined.engines[0].send(b"answer")
    joined.engines[0].close()
    joined.turn()
    assert client.recv(100) == b"answer"
    assert client.recv(100) == b""


def test_a_reader_that_does_not_read_blocks_only_its_own_channel(joined: Joined) -> None:
    slow, quick = joined.client(), joined.client()
    sent = 0
    for _ in range(200):
        joined.turn(2)
        try:
            sent += slow.send(b"x" * 65536)
        except BlockingIOError:
            continue
    assert WINDOW_BYTES <= sent < 20 * WINDOW_BYTES
    quick.send(b"hello")
    joined.turn()
    assert joined.engines[1].recv(100) == b"hello"
    received = 0
    while received < sent:
        joined.turn(2)
        try:
            received += len(joined.engines[0].recv(1 << 20))
        except BlockingIOError:
            continue
    assert received == sent


def test_a_refused_channel_closes_the_client(joined: Joined) -> None:
    joined.refuse = True
    client = joined.client()
    joined.turn()
    assert client.recv(100) == b""


def test_a_client_that_dies_closes_the_other_side(joined: Joined) -> None:
    client = joined.client()
    joined.turn()
    client.close()
    joined.turn()
    assert joined.engines[0].recv(100) == b""
    joined.engines[0].close()
    joined.turn()
    assert not joined.host.mux.is_open(1)


def test_a_finished_socket_does_not_spin(joined: Joined) -> None:
    client = joined.client()
    joined.turn()
    joined.engines[0].close()
    joined.turn()
    client.shutdown(socket.SHUT_RD)
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    idle, other = socket.socketpair()
    joined.sockets += [idle, other]
    joined.guest.watch(idle.fileno(), count)
    joined.turn()
    assert calls == 0


def test_a_closed_port_is_reported(joined: Joined) -> None:
    joined.sockets[1].close()
    with pytest.raises(PortClosedError):
        joined.host.step(0)


def test_a_hello_closes_what_was_open(joined: Joined) -> None:
    joined.client()
    joined.turn()
    joined.host.mux.hello()
    joined.turn()
    assert joined.engines[0].recv(100) == b""
