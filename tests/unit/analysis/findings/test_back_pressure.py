from dataclasses import replace

import numpy as np
import pytest

from testbed.analysis.findings.back_pressure import (
    BackPressureIgnored,
    BackPressureRespected,
    MemoryGrew,
    MemoryGrewLess,
    MemoryStayed,
    RespectedBy,
    TooLittleHeld,
    measure,
)
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.resources import Resources
from testbed.analysis.join.samples import ABSENT, Int64, Samples
from testbed.report.sentences.registry import words
from tests.support.samples import with_columns
from tests.support.transfers import (
    START_NS,
    captures_of,
    fast_reader,
    late_last_write,
    slow_reader,
    slow_sender,
    swallowed,
)


@pytest.mark.parametrize(
    ("transfer", "by"), [(slow_reader, RespectedBy.WAITING), (swallowed, RespectedBy.KERNEL_BUFFER)]
)
def test_respected(transfer, by: RespectedBy) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, BackPressureRespected)
    assert (found.fact.respected_by, found.fact.program_max_bytes) == (by, 0)


def test_a_program_that_buffers() -> None:
    found = measure(slow_reader(total_bytes=400_000, in_program=True, read_delay_ms=30).observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, BackPressureIgnored)
    assert found.fact.program_max_bytes > 300_000
    assert found.strength > 0.8


@pytest.mark.parametrize("transfer", [fast_reader, slow_sender])
def test_not_applicable_without_back_pressure(transfer) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_what_it_needs() -> None:
    observation = slow_reader().observe()
    for found in (
        measure(captures_of(slow_reader().segments)),
        measure(replace(observation, sender=replace(observation.sender, log=None))),
    ):
        assert isinstance(found, NotMeasured)
        assert not found.observable


def test_a_kernel_without_bytes_acked() -> None:
    found = measure(with_columns(slow_reader().observe(), bytes_acked=ABSENT))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_bounded_buffer_of_the_program_is_no_fault() -> None:
    def behind(samples: Samples) -> Int64:
        return np.maximum(samples.column("bytes_acked") - 60_000, 0)

    found = measure(with_columns(slow_reader().observe(), bytes_acked=behind))
    assert isinstance(found, Measured)
    assert isinstance(found.fact, BackPressureRespected)
    assert found.fact.respected_by is RespectedBy.BOUNDED_BUFFER


def test_so_little_data_shows_no_bound() -> None:
    """What a buffer with a bound would take, too; and the program never waited for it."""
    found = measure(slow_reader(total_bytes=100_000, in_program=True).observe())
    assert isinstance(found, NotMeasured)
    assert not found.observable
    assert isinstance(found.reason, TooLittleHeld)


def test_a_short_transfer_whose_writes_waited_had_no_room() -> None:
    found = measure(with_columns(late_last_write().observe(), rwnd_limited=10_000))
    assert isinstance(found, Measured)
    assert isinstance(found.fact, BackPressureRespected)
    assert found.fact.respected_by is RespectedBy.WAITING
    assert found.fact.blocked_s > 0.01


def memory(*growth_bytes: int) -> Resources:
    """Return samples 50 ms apart, the first one before the transfer."""
    count = len(growth_bytes)
    at_ns = START_NS + (np.arange(count) * 50 - 30) * 1_000_000
    return Resources(at_ns, 1_000_000 + np.array(growth_bytes), np.zeros(count, np.int64), np.arange(count) + 2)


def without_log(total_bytes: int, resources: Resources) -> Measured | NotMeasured:
    observation = slow_reader(total_bytes=total_bytes, read_delay_ms=30).observe()
    return measure(replace(observation, sender=replace(observation.sender, log=None, resources=resources)))


@pytest.mark.parametrize("fact", [MemoryGrew(900_000), MemoryStayed(20_000)])
def test_without_a_log_its_memory_is_judged(fact: MemoryGrew | MemoryStayed) -> None:
    found = without_log(800_000, memory(0, 0, fact.memory_growth_bytes, 0))
    assert isinstance(found, Measured)
    assert found.fact == fact
    assert found.confidence == "medium"
    assert found.evidence[0].file == "client/resources.csv"


@pytest.mark.parametrize(
    ("total_bytes", "held", "why"),
    [
        (60_000, memory(0, 0, 900_000, 0), "memory does not show so little data: 60 000 B"),
        (800_000, memory(0, 900_000, 900_000, 0), "as the transfer began"),
    ],
)
def test_memory_that_does_not_show_it(total_bytes: int, held: Resources, why: str) -> None:
    found = without_log(total_bytes, held)
    assert isinstance(found, NotMeasured)
    assert not found.observable
    assert why in words(found.reason)


def test_a_program_that_was_loaded_as_the_transfer_began_has_buffered_nothing() -> None:
    found = without_log(2_000_000, memory(0, 900_000, 900_000, 904_000))
    assert isinstance(found, Measured)
    assert found.fact == MemoryStayed(4000)


def test_memory_is_compared_with_the_log() -> None:
    observation = slow_reader(total_bytes=400_000, in_program=True, read_delay_ms=30).observe()
    for growth_bytes, doubts in ((400_000, []), (1000, [MemoryGrewLess(1000)])):
        found = measure(replace(observation, sender=replace(observation.sender, resources=memory(0, growth_bytes, 0))))
        assert isinstance(found, Measured)
        assert found.fact.memory_growth_bytes == growth_bytes
        assert found.contradicted_by == doubts
        assert found.not_observed == []


def test_writes_that_only_waited_for_a_cpu_are_no_back_pressure() -> None:
    found = measure(late_last_write().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable
