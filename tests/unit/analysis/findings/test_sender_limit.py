from dataclasses import replace

import pytest

from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.sender_limit import KernelCountsWindow, TooShort, measure
from testbed.analysis.join.samples import ABSENT
from tests.support.samples import same_as, with_columns
from tests.support.transfers import broken_off, captures_of, fast_reader, slow_network, slow_reader, slow_sender


@pytest.mark.parametrize(
    ("transfer", "limit"),
    [(slow_reader, Limit.RECEIVER), (slow_network, Limit.NETWORK), (slow_sender, Limit.APPLICATION)],
)
def test_the_limit(transfer, limit: Limit) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, Measured)
    assert found.fact.limited_by == limit
    assert limit not in found.fact.also
    assert sum(found.fact.share(each) for each in Limit) == pytest.approx(1)
    assert found.confidence == "high"


def test_not_applicable_when_it_was_too_short() -> None:
    found = measure(fast_reader().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable
    assert isinstance(found.reason, TooShort)


def test_without_samples_it_is_unobservable() -> None:
    found = measure(captures_of(slow_reader().segments))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_kernel_without_the_counters() -> None:
    found = measure(with_columns(slow_reader().observe(), busy_time=ABSENT))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_queue_in_the_network_contradicts_the_kernel() -> None:
    observation = slow_network().observe(rtt_ms=1.0)
    observation = replace(observation, receiver=replace(observation.receiver, capture=None))
    found = measure(with_columns(observation, rwnd_limited=same_as("busy_time"), rtt=200_000))
    assert isinstance(found, Measured)
    assert found.fact.limited_by == Limit.NETWORK
    assert found.fact.queued_rtt_ms == 200
    assert found.contradicted_by == [KernelCountsWindow(found.fact.receive_window_share)]


def test_the_end_of_a_transfer_that_was_broken_off() -> None:
    found = measure(broken_off().observe())
    assert isinstance(found, Measured)
    assert not found.fact.acknowledged
