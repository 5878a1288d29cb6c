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
    """Return a function that makes a Qmp and the commands that its other end, which answers by a script, has heard."""
    sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def make(script: Script) -> tuple[Qmp, list[str]]:
        ours, theirs = socket.socketpair()
        sockets.extend([ours, theirs])
        heard: list[str] = []

        def serve() -> None:
            theirs.sendall(b'{"QMP": {"version": {}}}\r\n')
            with theirs.makefile("rb") as lines:
                for line in lines:
                    request = json.loads(line)
                    heard.append(request["execute"])
                    for answer in script(request["execute"]):
                        theirs.sendall(json.dumps(answer).encode() + b"\r\n")

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return Qmp(ours), heard

    yield make
    for sock in sockets:
        sock.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)
    for sock in sockets:
        sock.close()


def fine(_name: str) -> list[dict[str, Any]]:
    return [{"return": {}}]


def test_the_first_command_is_introduced(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, heard = talk(fine)
    qmp.execute("stop")
    qmp.execute("cont")
    assert heard == ["qmp_capabilities", "stop", "cont"]


def test_a_refusal_names_the_command(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, _ = talk(lambda name: [{"error": {"desc": "State blocked"}}] if name == "migrate" else fine(name))
    with pytest.raises(GuestError, match="ask qemu to migrate: State blocked"):
        qmp.store(Path("/x"), 1)


def test_a_state_is_stored_when_qemu_says_so(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    states = iter(["active", "active", "completed"])
    qmp, heard = talk(lambda name: [{"return": {"status": next(states)} if name == "query-migrate" else {}}])
    qmp.store(Path("/x y"), 20)
    assert heard.count("query-migrate") == 3


def test_a_state_that_cannot_be_resumed(talk: Callable[[Script], tuple[Qmp, list[str]]]) -> None:
    qmp, heard = talk(lambda _: [{"return": {"status": "failed", "error-desc": "wrong machine"}}])
    with pytest.raises(GuestError, match="wrong machine"):
        qmp.resume(Path("/x"), 20)
    assert "cont" not in heard


@pytest.mark.parametrize(
    ("status", "says"),
    [("running", ""), ("io-error", "the host's disk is full"), ("paused", "qemu says paused")],
)
def test_why_it_stands_still(talk: Callable[[Script], tuple[Qmp, list[str]]], status: str, says: str) -> None:
    qmp, _ = talk(lambda _: [{"return": {"status": status}}])
    assert qmp.explain() == says


def test_a_qemu_that_is_gone_says_nothing() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        assert Qmp(ours).explain() == ""
