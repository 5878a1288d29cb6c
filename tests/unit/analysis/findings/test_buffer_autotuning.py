from dataclasses import replace

import numpy as np
import pytest

from testbed.analysis.findings.buffer_autotuning import BufferNotSampled, BufferSize, measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import Int64, Samples
from tests.support.samples import with_columns
from tests.support.transfers import fast_reader, slow_reader, swallowed


def test_a_buffer_that_grew() -> None:
    def growing(samples: Samples) -> Int64:
        return np.where(samples.line == samples.line[0], 16_384, samples.column("sndbuf"))

    found = measure(with_columns(swallowed().observe(), sndbuf=growing))
    assert isinstance(found, Measured)
    assert found.fact.sndbuf is BufferSize.GREW
    assert (found.fact.sndbuf_first_bytes, found.fact.sndbuf_max_bytes) == (16_384, 262_144)
    assert found.fact.rcvbuf is BufferSize.NOT_READ
    assert found.strength > 0.2


def test_a_locked_one_is_reported_beside_the_other() -> None:
    found = measure(slow_reader(requested={"sndbuf": 8192, "rcvbuf": 0}).observe())
    assert isinstance(found, Measured)
    assert found.fact.sndbuf is BufferSize.LOCKED_AT_TWICE


def test_buffers_that_sufficed() -> None:
    found = measure(fast_reader().observe())
    assert isinstance(found, Measured)
    assert found.fact.rcvbuf is BufferSize.SUFFICED
    assert found.strength == 0.1


def test_one_that_had_grown_before_the_first_sample() -> None:
    found = measure(swallowed(rcvbuf_bytes=3_000_000).observe())
    assert isinstance(found, Measured)
    assert (found.fact.rcvbuf, found.fact.rcvbuf_max_bytes) == (BufferSize.GREW_BEFORE, 3_000_000)


def test_not_applicable_when_both_are_locked() -> None:
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
    assert half.not_observed == [BufferNotSampled("server", "rcvbuf")]


@pytest.mark.parametrize(
    ("requested", "size"),
    [
        (8192, BufferSize.LOCKED_AT_TWICE),
        (100_000, BufferSize.LOCKED_AT_MAXIMUM),
        (100, BufferSize.LOCKED_AT_MINIMUM),
    ],
)
def test_what_was_requested_and_what_was_given(requested: int, size: BufferSize) -> None:
    found = measure(slow_reader(requested={"sndbuf": 0, "rcvbuf": requested}).observe())
    assert isinstance(found, Measured)
    assert (found.fact.rcvbuf, found.fact.rcvbuf_max_bytes) == (size, 16_384)
