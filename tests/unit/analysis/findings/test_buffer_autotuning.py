from dataclasses import replace

import pytest

from testbed.analysis.findings.buffer_autotuning import explain
from testbed.analysis.join.observation import End, Observation
from testbed.result import Finding, Silence
from tests.support.transfers import fast_reader, slow_reader, swallowed


def test_a_buffer_that_grew() -> None:
    observation = swallowed().observe()
    samples = observation.sender.samples
    assert samples is not None
    column = samples.column("sndbuf").copy()
    column[0] = 16_384
    samples._numbers["sndbuf"] = column
    found = explain(observation)
    assert isinstance(found, Finding)
    assert "grew from 16 384 B to 262 144 B" in found.sentence
    assert "it grows only for a program that reads" in found.sentence
    assert found.strength > 0.2


def test_a_locked_one_is_told_beside_the_other() -> None:
    found = explain(slow_reader(requested={"sndbuf": 8192, "rcvbuf": 0}).observe())
    assert isinstance(found, Finding)
    assert "and locked" in found.sentence


def test_buffers_that_sufficed() -> None:
    found = explain(fast_reader().observe())
    assert isinstance(found, Finding)
    assert "it sufficed" in found.sentence
    assert found.strength == 0.1


def test_one_that_had_grown_before_the_first_sample() -> None:
    found = explain(swallowed(rcvbuf_bytes=3_000_000).observe())
    assert isinstance(found, Finding)
    assert "the receiver's buffer had grown to 3 000 000 B when it was first sampled" in found.sentence


def test_silent_when_both_are_locked() -> None:
    found = explain(slow_reader().observe())
    assert isinstance(found, Silence)
    assert found.observable


def test_what_it_needs() -> None:
    found = explain(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, Silence)
    assert not found.observable
    observation = swallowed().observe()
    half = explain(replace(observation, receiver=replace(observation.receiver, samples=None)))
    assert isinstance(half, Finding)
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
    found = explain(slow_reader(requested={"sndbuf": 0, "rcvbuf": requested}).observe())
    assert isinstance(found, Finding)
    assert f"the receiver's buffer is {says}" in found.sentence
