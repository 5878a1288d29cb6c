import time
from collections.abc import Iterator

import pytest

from netem.contract.errors import SidecarError
from netem.sidecar.profile import ProfileRunner
from netem.spec import Impairment, parse
from netem.system.reactor import Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


def test_changes_come_in_order_from_the_start_on(reactor: Reactor) -> None:
    seen: list[Impairment] = []

    def take(impairment: Impairment) -> None:
        seen.append(impairment)
        if len(seen) == 3:
            reactor.stop()

    text = '[{"at":"0s","netem":"delay 1ms"},{"at":"1ms","netem":"delay 2ms"},{"at":"2ms","netem":""}]'
    ProfileRunner(reactor, text, take).start(time.monotonic_ns())
    reactor.run()
    assert seen == [parse("delay 1ms"), parse("delay 2ms"), parse("")]


def test_its_time_is_that_of_the_beginning_it_is_given(reactor: Reactor) -> None:
    seen: list[Impairment] = []
    runner = ProfileRunner(reactor, '[{"at":"0s","netem":"delay 1ms"},{"at":"1s","netem":"delay 2ms"}]', seen.append)
    runner.start(time.monotonic_ns() - 1_000_000_000)
    reactor.call_later(2_000_000, reactor.stop)
    reactor.run()
    assert seen == [parse("delay 1ms"), parse("delay 2ms")]


def test_a_profile_that_was_stopped_changes_nothing_more(reactor: Reactor) -> None:
    seen: list[Impairment] = []
    runner = ProfileRunner(reactor, '[{"at":"0s","netem":"delay 1ms"}]', seen.append)
    runner.start(time.monotonic_ns())
    runner.stop()
    reactor.call_later(2_000_000, reactor.stop)
    reactor.run()
    assert seen == []


@pytest.mark.parametrize("text", ["{", '[{"at":"0s","netem":"delay"}]', '[{"netem":"delay 1ms"}]', '["x"]'])
def test_a_bad_profile_is_refused_at_once(reactor: Reactor, text: str) -> None:
    with pytest.raises(SidecarError, match="read the profile"):
        ProfileRunner(reactor, text, lambda impairment: None)
