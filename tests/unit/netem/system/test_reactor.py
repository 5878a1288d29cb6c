import os
import signal
import time
from collections.abc import Iterator

import pytest

from netem.system.reactor import Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


def test_timers_run_in_order_of_deadline_then_of_creation(reactor: Reactor) -> None:
    seen: list[str] = []
    reactor.call_at(30, lambda: seen.append("c"))
    reactor.call_at(10, lambda: seen.append("a"))
    reactor.call_at(10, lambda: seen.append("b"))
    reactor.call_at(40, reactor.stop)
    reactor.run()
    assert seen == ["a", "b", "c"]


def test_a_cancelled_timer_does_not_run(reactor: Reactor) -> None:
    seen: list[str] = []
    reactor.call_at(10, lambda: seen.append("no")).cancel()
    reactor.call_at(20, reactor.stop)
    reactor.run()
    assert seen == []


def test_a_timer_waits_for_its_time(reactor: Reactor) -> None:
    due_ns = time.monotonic_ns() + 2_000_000
    ran_ns: list[int] = []
    reactor.call_at(due_ns, lambda: (ran_ns.append(time.monotonic_ns()), reactor.stop()))
    reactor.run()
    assert ran_ns[0] >= due_ns


def test_readers(reactor: Reactor) -> None:
    read, write = os.pipe()
    seen: list[bytes] = []

    def hear() -> None:
        seen.append(os.read(read, 10))
        reactor.remove_reader(read)
        os.write(write, b"unheard")
        reactor.call_at(0, reactor.stop)

    reactor.add_reader(read, hear)
    os.write(write, b"x")
    reactor.run()
    assert seen == [b"x"]
    os.close(read)
    os.close(write)


def test_signals(reactor: Reactor) -> None:
    seen: list[str] = []
    reactor.on_signal(signal.SIGUSR2, lambda: (seen.append("usr2"), reactor.stop()))
    os.kill(os.getpid(), signal.SIGUSR2)
    reactor.run()
    assert seen == ["usr2"]


def test_an_error_in_a_callback_ends_the_run(reactor: Reactor) -> None:
    def fail() -> None:
        raise KeyError("x")

    reactor.call_at(0, fail)
    with pytest.raises(KeyError):
        reactor.run()
