import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.vm.errors import GuestError
from testbed.vm.qmp import Qmp

Script = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def talk() -> Iterator[Callable[[Script], tuple[Qmp, list[str]]]]:
    """Return a function that makes a Qmp, and the list of commands that its scripted other end receives."""
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def make(script: Script) -> tuple[Qmp, list[str]]:
        ours, theirs = socket.socketpair()
        sockets.extend([ours, theirs])
        received: list[str] = []

        def serve() -> None:
            theirs.sendall(b'{"QMP": {"version": {}}}\r\n')
            with theirs.makefile("rb") as lines:
                for line in lines:
                    request = json.loads(line)
                    received.append(request["execute"])
                    for reply in script(request["execute"]):
                        theirs.sendall(json.dumps(reply).encode() + b"\r\n")

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return Qmp(ours, lambda _pause_s: None), received

    yield make
    for sock in sockets:
        sock.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)
    for sock in sockets:
        sock.close()


def fine(_name: str) -> list[dict[str, Any]]:
    return [{"return": {}}]


def test_the_first_command_negotiates_capabilities(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, received = talk(fine)
    qmp.execute("stop")
    qmp.execute("cont")
    assert received == ["qmp_capabilities", "stop", "cont"]


def test_an_error_names_the_command(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, _ = talk(lambda name: [{"error": {"desc": "State blocked"}}] if name == "migrate" else fine(name))
    with pytest.raises(GuestError, match="execute migrate in qemu: State blocked"):
        qmp.store(Path("/x"), 1)


def test_a_state_is_saved_when_qemu_reports_it(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    states = iter(["active", "active", "completed"])
    qmp, received = talk(lambda name: [{"return": {"status": next(states)} if name == "query-migrate" else {}}])
    qmp.store(Path("/x y"), 20)
    assert received.count("query-migrate") == 3


def test_pauses_grow_up_to_a_limit() -> None:
    pauses: list[float] = []
    ours, theirs = socket.socketpair()
    states = ["active"] * 6 + ["completed"]
    replies = [{"return": {}} for _ in range(4)] + [{"return": {"status": status}} for status in states]
    theirs.sendall(b"".join(json.dumps(reply).encode() + b"\n" for reply in replies))
    with ours, theirs:
        Qmp(ours, pauses.append).store(Path("/x"), 20)
    assert pauses == [0.01, 0.02, 0.04, 0.05, 0.05, 0.05]


def test_a_state_that_is_not_saved_in_time(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, received = talk(lambda name: [{"return": {"status": "active"} if name == "query-migrate" else {}}])
    with pytest.raises(GuestError, match="save a guest's state: not done after 0 s"):
        qmp.store(Path("/x"), 0)
    assert received.count("query-migrate") == 1


def test_a_state_that_cannot_be_restored(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, received = talk(lambda _: [{"return": {"status": "failed", "error-desc": "wrong machine"}}])
    with pytest.raises(GuestError, match="wrong machine"):
        qmp.resume(Path("/x"), 20)
    assert "cont" not in received


@pytest.mark.parametrize(
    ("status", "reason"),
    [("running", ""), ("io-error", "the host's disk is full"), ("paused", "qemu reports paused")],
)
def test_why_the_machine_is_stopped(talk: Callable[[Script], tuple[Qmp, list[str]]], status: str, reason: str) -> None:
    qmp, _ = talk(lambda _: [{"return": {"status": status}}])
    assert qmp.stop_reason() == reason


def test_a_qemu_that_has_exited_reports_nothing() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        assert Qmp(ours).stop_reason() == ""
