from dataclasses import replace

import pytest

from testbed.analysis.findings.sender_limit import explain
from testbed.result import Finding, Silence
from tests.support.transfers import broken_off, fast_reader, seen_in, slow_network, slow_reader, slow_sender


@pytest.mark.parametrize(
    ("transfer", "limit", "says"),
    [
        (slow_reader, "receiver", "The receiver limited the sender"),
        (slow_network, "network", "The network limited the sender"),
        (slow_sender, "application", "The sender's program limited the transfer"),
    ],
)
def test_the_limit_is_told(transfer, limit: str, says: str) -> None:
    found = explain(transfer().observe())
    assert isinstance(found, Finding)
    assert found.numbers["limited_by"] == limit
    assert found.sentence.startswith(says)
    shares = [
        found.numbers[f"{limit}_share"] for limit in ("receiver", "window", "network", "send_buffer", "application")
    ]
    assert sum(shares) == pytest.approx(1)
    assert found.confidence == "high"


def test_silent_when_it_was_too_short() -> None:
    found = explain(fast_reader().observe())
    assert isinstance(found, Silence)
    assert found.observable
    assert "too short" in found.reason


def test_without_samples_it_cannot_be_seen() -> None:
    found = explain(seen_in(slow_reader().segments))
    assert isinstance(found, Silence)
    assert not found.observable


def test_a_kernel_without_the_counters() -> None:
    observation = slow_reader().observe()
    assert observation.sender.samples is not None
    observation.sender.samples._numbers["busy_time"] = observation.sender.samples.column("no_such_field")
    found = explain(observation)
    assert isinstance(found, Silence)
    assert not found.observable


def test_a_queue_in_the_network_contradicts_the_kernel() -> None:
    observation = slow_network().observe(rtt_ms=1.0)
    observation = replace(observation, receiver=replace(observation.receiver, capture=None))
    samples = observation.sender.samples
    assert samples is not None
    samples._numbers["rwnd_limited"] = samples.column("busy_time")
    samples._numbers["rtt"] = samples.column("rtt") * 0 + 200_000
    found = explain(observation)
    assert isinstance(found, Finding)
    assert found.numbers["limited_by"] == "network"
    assert found.contradicting


def test_the_end_of_a_transfer_that_was_broken_off() -> None:
    found = explain(broken_off().observe())
    assert isinstance(found, Finding)
    assert "until the transfer was broken off" in found.sentence
