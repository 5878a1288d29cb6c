"""The relay with a program in place of qemu: it inherits port and console, and replies as the guest's agent does."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.vm.errors import GuestError
from testbed.vm.relay import CONSOLE_LINES, Console, Relay
from tests.support.waiting import wait_until

GUEST = """
import os, socket, sys
from testbed.vm.mux import FrameType
from testbed.vm.pump import Pump
port, console = int(sys.argv[1]), int(sys.argv[2])
how = sys.argv[3]
os.write(console, b"[0.0] Linux version 6\\r\\n[0.1] \\x1b[1mbold\\x1b[0m\\n")
if how == "dies":
    print("qemu: no room", file=sys.stderr)
    sys.exit(1)
if how == "garbage":
    os.write(port, b"\\xff" * 64)
engine = socket.socket(socket.AF_UNIX)
pings = 0
def on_event(event):
    global pings
    if event.type is FrameType.HELLO and how == "answers":
        pump.mux.message({"event": "ready", "kernel": "6"})
    elif event.type is FrameType.MESSAGE and how != "hangs":
        pump.mux.message({"event": "done", "do": event.message["do"]})
        pings += event.message["do"] == "ping"
        if pings == 4:
            pump.mux.message({"event": "pinged"})
    elif event.type is FrameType.OPEN:
        ours, theirs = socket.socketpair()
        ours.send(b"hello from the engine")
        ours.close()
        pump.attach(event.channel, theirs)
pump = Pump(port, on_event)
while True:
    pump.step(60)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Relay]]:
    relays: list[Relay] = []

    def relay(how: str) -> Relay:
        port, port_peer = socket.socketpair()
        console, console_peer = socket.socketpair()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()
        log = tmp_path / "log"
        argv = [sys.executable, "-c", GUEST, str(port_peer.fileno()), str(console_peer.fileno()), how]

        def spawn() -> "subprocess.Popen[bytes]":
            with log.open("wb") as out:
                peers = (port_peer.fileno(), console_peer.fileno())
                return subprocess.Popen(argv, pass_fds=peers, stderr=out)

        made = Relay(spawn, port=port, console=console, listener=listener, log=log)
        relays.append(made)
        made.launch()
        port_peer.close()
        console_peer.close()
        return made

    yield relay
    for made in relays:
        made.stop()
        assert not made.is_alive()


def test_ready_then_a_request_and_its_reply(make: Callable[[str], Relay]) -> None:
    relay = make("answers")
    relay.hello()
    assert relay.expect("ready", 20, "boot")["kernel"] == "6"
    relay.send({"do": "flush"})
    assert relay.expect("done", 20, "flush") == {"event": "done", "do": "flush"}


def test_a_client_reaches_the_engine(make: Callable[[str], Relay], tmp_path: Path) -> None:
    make("answers")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(tmp_path / "docker.sock"))
        assert client.recv(100) == b"hello from the engine"


def test_a_missing_reply_is_reported_with_the_last_lines(make: Callable[[str], Relay]) -> None:
    relay = make("silent")
    relay.hello()
    assert wait_until(relay.console.tail, 20)
    with pytest.raises(GuestError, match=r"boot: no reply within 0\.2 s") as caught:
        relay.expect("ready", 0.2, "boot")
    assert caught.value.console == ("[0.0] Linux version 6", "[0.1] [1mbold[0m")


def test_the_exit_of_qemu_is_reported_at_once_with_its_output(make: Callable[[str], Relay]) -> None:
    relay = make("dies")
    with pytest.raises(GuestError, match="qemu exited with code 1: qemu: no room"):
        relay.expect("ready", 60, "boot")
    assert relay.wait_exit(1)


def test_a_guest_that_hangs_is_killed_and_explained(make: Callable[[str], Relay]) -> None:
    relay = make("hangs")
    relay.stop_reason = lambda: "the host's disk is full"
    relay.set_watchdog(0.2)
    with pytest.raises(GuestError, match=r"sent nothing for \d+ s: the host's disk is full"):
        relay.expect("done", 60, "ask")
    assert relay.failure
    relay.join(20)
    assert not relay.is_alive()


def test_a_guest_without_messages_is_pinged_and_stays(make: Callable[[str], Relay]) -> None:
    relay = make("answers")
    relay.set_watchdog(2)
    relay.expect("pinged", 60, "count pings")  # as many as take longer than the timeout of the watchdog
    assert not relay.failure
    relay.send({"do": "flush"})
    assert relay.expect("done", 20, "flush")["do"] == "flush"


def test_an_invalid_frame_stops_the_guest(make: Callable[[str], Relay]) -> None:
    with pytest.raises(GuestError, match="protocol error from guest agent: invalid frame"):
        make("garbage").expect("ready", 60, "boot")


def test_a_missing_program(tmp_path: Path) -> None:
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(3)]

    def spawn() -> "subprocess.Popen[bytes]":
        raise FileNotFoundError(2, "No such file", "qemu")

    relay = Relay(spawn, port=sockets[0], console=sockets[1], listener=sockets[2], log=tmp_path / "log")
    with pytest.raises(GuestError, match=r"start qemu: .*No such file"):
        relay.launch()
    relay.join(10)


def test_the_console_keeps_the_last_lines() -> None:
    console = Console()
    for number in range(CONSOLE_LINES + 50):
        console.feed(f"line {number}\r\n\n".encode())
    console.feed(b"and a st")
    console.feed(b"art")
    assert console.tail(2) == [f"line {CONSOLE_LINES + 49}", "and a start"]
    console.feed(b"\x1b[31m\xff" * 100_000)
    assert len(console.tail(1)[0]) <= 4096
