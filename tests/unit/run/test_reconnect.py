import threading

import pytest

from testbed.errors import EngineLostError
from testbed.run.reconnect import Reconnection
from testbed.run.stop import Stop


class Engine:
    """Answers from the given call on."""

    def __init__(self, answers_from: int) -> None:
        self.calls = 0
        self.answers_from = answers_from

    def find(self, _label: str) -> list[object]:
        self.calls += 1
        if self.calls < self.answers_from:
            raise EngineLostError("list: the Docker engine is no longer reachable")
        return []


def reconnection(engine: Engine, most_s: float = 30.0) -> Reconnection:
    return Reconnection(engine, "x", most_s)  # type: ignore[arg-type]


def test_an_engine_that_was_not_lost_is_not_called() -> None:
    engine = Engine(1)
    reconnection(engine).wait(Stop())
    assert engine.calls == 0


def test_the_return_of_the_engine_is_waited_for_once() -> None:
    engine = Engine(3)
    waiting = reconnection(engine)
    waiting.lost()
    threads = [threading.Thread(target=waiting.wait, args=(Stop(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.calls == 3


def test_only_the_first_wait_is_long() -> None:
    engine = Engine(1000)
    waiting = reconnection(engine, 0.15)
    waiting.lost()
    with pytest.raises(EngineLostError):
        waiting.wait(Stop())
    first = engine.calls
    assert first > 1
    with pytest.raises(EngineLostError):
        waiting.wait(Stop())
    assert engine.calls == first + 1
    engine.answers_from = 0
    waiting.wait(Stop())
    waiting.wait(Stop())
    assert engine.calls == first + 2


def test_an_interruption_ends_the_wait() -> None:
    engine, stop = Engine(10**9), Stop()
    waiting = reconnection(engine, 3600.0)
    waiting.lost()

    def wait() -> None:
        with pytest.raises(EngineLostError):
            waiting.wait(stop)

    thread = threading.Thread(target=wait)
    thread.start()
    stop.request()
    thread.join(30)
    assert not thread.is_alive()
