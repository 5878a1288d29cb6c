import time
from collections.abc import Iterator

import pytest

from netem.contract.errors import SidecarError
from netem.sidecar.profile import ProfileRunner, read_profile
from netem.spec import Impairment, parse
from netem.system.reactor import Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


def test_changes_come_in_order_from_the_start_on(reactor: Reactor) -> None:
    applied: list[Impairment] = []

    def apply(impairment: Impairment) -> None:
        applied.append(impairment)
        if len(applied) == 3:
            reactor.stop()

    text = '[{"at":"0s","netem":"delay 1ms"},{"at":"1ms","netem":"delay 2ms"},{"at":"2ms","netem":""}]'
    ProfileRunner(reactor, read_profile(text), apply).start(time.monotonic_ns())
    reactor.run()
    assert applied == [parse("delay 1ms"), parse("delay 2ms"), parse("")]


def test_its_time_is_that_of_the_beginning_it_is_given(reactor: Reactor) -> None:
    applied: list[Impairment] = []
    changes = read_profile('[{"at":"0s","netem":"delay 1ms"},{"at":"1s","netem":"delay 2ms"}]')
    runner = ProfileRunner(reactor, changes, applied.append)
    runner.start(time.monotonic_ns() - 1_000_000_000)
    reactor.call_later(2_000_000, reactor.stop)
    reactor.run()
    assert applied == [parse("delay 1ms"), parse("delay 2ms")]


@pytest.mark.parametrize("order", ["start first", "stop first"])
def test_a_stopped_profile_changes_nothing_more(reactor: Reactor, order: str) -> None:
    applied: list[Impairment] = []
    runner = ProfileRunner(reactor, read_profile('[{"at":"0s","netem":"delay 1ms"}]'), applied.append)
    if order == "start first":
        runner.start(time.monotonic_ns())
    runner.stop()
    if order == "stop first":
        runner.start(time.monotonic_ns())
    reactor.call_later(2_000_000, reactor.stop)
    reactor.run()
    assert applied == []


def test_no_profile_has_no_changes(reactor: Reactor) -> None:
    assert read_profile("") == ()
    applied: list[Impairment] = []
    ProfileRunner(reactor, (), applied.append).start(time.monotonic_ns())
    reactor.call_later(1_000_000, reactor.stop)
    reactor.run()
    assert applied == []


@pytest.mark.parametrize("text", ["{", '[{"at":"0s","netem":"delay"}]', '[{"netem":"delay 1ms"}]', '["x"]', "[]"])
def test_an_invalid_profile_is_rejected_at_once(text: str) -> None:
    with pytest.raises(SidecarError, match="read the profile"):
        read_profile(text)
