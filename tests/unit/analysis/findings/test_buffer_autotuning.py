from dataclasses import replace

import pytest

from testbed.analysis.findings.buffer_autotuning import measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.observation import End, Observation
from tests.support.transfers import fast_reader, slow_reader, swallowed


def test_a_buffer_that_grew() -> None:
    observation = swallowed().observe()
    samples = observation.sender.samples
    assert samples is not None
    column = samples.column("sndbuf").copy()
    column[0] = 16_384
    samples._numbers["sndbuf"] = column
    found = measure(observation)
    assert isinstance(found, Measured)
    assert "grew from 16 384 B to 262 144 B" in found.fact.sentence
    assert "it grows only for a program that reads" in found.fact.sentence
    assert found.strength > 0.2


def test_a_locked_one_is_told_beside_the_other() -> None:
    found = measure(slow_reader(requested={"sndbuf": 8192, "rcvbuf": 0}).observe())
    assert isinstance(found, Measured)
    assert "and locked" in found.fact.sentence


def test_buffers_that_sufficed() -> None:
    found = measure(fast_reader().observe())
    assert isinstance(found, Measured)
    assert "it sufficed" in found.fact.sentence
    assert found.strength == 0.1


def test_one_that_had_grown_before_the_first_sample() -> None:
    found = measure(swallowed(rcvbuf_bytes=3_000_000).observe())
    assert isinstance(found, Measured)
    assert "the receiver's buffer had grown to 3 000 000 B when it was first sampled" in found.fact.sentence


def test_silent_when_both_are_locked() -> None:
    found = measure(slow_reader().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_what_it_needs() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable
    observation = swallowed().observe()
    half = measure(replace(observation, receiver=replace(observation.receiver, samples=None)))
    assert isinstance(half, Measured)
    assert half.not_observed == ["the server's rcvbuf"]


@pytest.mark.parametrize(
    ("requested", "says"),
    [
        (8192, "16 384 B, twice what the program asked for, and locked"),
        (100_000, "16 384 B, the most that this kernel gives to a program that asks for more, and locked"),
        (100, "16 384 B, the least that this kernel gives, and locked"),
    ],
)
def test_what_was_asked_and_what_was_given(requested: int, says: str) -> None:
    found = measure(slow_reader(requested={"sndbuf": 0, "rcvbuf": requested}).observe())
    assert isinstance(found, Measured)
    assert f"the receiver's buffer is {says}" in found.fact.sentence
