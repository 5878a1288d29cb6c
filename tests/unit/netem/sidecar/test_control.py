import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netem.contract.errors import SidecarError
from netem.sidecar.control import ControlServer, send_request
from netem.system.reactor import Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


def exchange(reactor: Reactor, path: Path, handle: Any, request: dict[str, Any]) -> Any:
    server = ControlServer(reactor, path, lambda given: (reactor.stop(), handle(given))[1])
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(send_request(path, request)))
    thread.start()
    reactor.run()
    thread.join(5)
    server.close()
    assert not path.exists()
    return answers[0]


def test_a_request_and_its_answer(reactor: Reactor, tmp_path: Path) -> None:
    answer = exchange(reactor, tmp_path / "deep" / "control", lambda given: {"echo": given}, {"command": "change"})
    assert answer == {"echo": {"command": "change"}}


def test_a_rejection_is_an_answer(reactor: Reactor, tmp_path: Path) -> None:
    def refuse(given: dict[str, Any]) -> dict[str, Any]:
        raise SidecarError("change it", "no", "try again")

    answer = exchange(reactor, tmp_path / "control", refuse, {})
    assert answer == {"error": {"attempt": "change it", "message": "no", "hint": "try again"}}


def test_no_sidecar_to_contact(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match="contact the sidecar"):
        send_request(tmp_path / "control", {})
