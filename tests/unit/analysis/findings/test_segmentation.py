from dataclasses import replace

import pytest

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.segmentation import SegmentationCause, measure
from testbed.analysis.join.observation import End
from testbed.report.sentences.registry import words
from tests.support.transfers import Transfer, captures_of, fast_reader, slow_reader


def test_small_writes_are_coalesced_while_the_window_is_closed() -> None:
    found = measure(slow_reader(chunk_bytes=100).observe())
    assert isinstance(found, Measured)
    assert found.fact.writes == 600
    assert float(found.fact.writes_per_segment) > 10
    assert found.fact.cause is SegmentationCause.WINDOW_CLOSED


@pytest.mark.parametrize(("nodelay", "why"), [(False, "Nagle"), (True, "TCP_NODELAY")])
def test_small_writes_are_coalesced_into_an_open_window(nodelay: bool, why: str) -> None:
    found = measure(Transfer(total_bytes=50_000, chunk_bytes=100).run().observe(requested={"nodelay": nodelay}))
    assert isinstance(found, Measured)
    assert why in words(found.fact)


def test_large_writes_are_split() -> None:
    found = measure(fast_reader(chunk_bytes=14_480).observe())
    assert isinstance(found, Measured)
    assert found.fact.cause is SegmentationCause.SEGMENT_SIZE
    assert found.fact.writes_per_segment == 0.1
    assert found.fact.segments == 70


def test_small_segments_of_a_slow_link() -> None:
    found = measure(Transfer(total_bytes=6000, chunk_bytes=1000, rate_bytes_per_ms=100).run().observe())
    assert isinstance(found, Measured)
    assert found.fact.cause is SegmentationCause.LITTLE_ROOM


def test_not_applicable_when_writes_and_segments_correspond() -> None:
    found = measure(fast_reader().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_what_it_needs() -> None:
    observation = slow_reader().observe()
    without = replace(observation, sender=replace(observation.sender, capture=None), receiver=End("server"))
    for found in (measure(captures_of(slow_reader().segments)), measure(without)):
        assert isinstance(found, NotMeasured)
        assert not found.observable


def test_no_data_at_all() -> None:
    observation = slow_reader().observe()
    capture = captures_of(slow_reader().segments[:3]).sender.capture
    found = measure(replace(observation, sender=replace(observation.sender, capture=capture)))
    assert isinstance(found, NotMeasured)


def test_a_capture_whose_middle_was_left_out_counts_nothing() -> None:
    transfer = fast_reader(chunk_bytes=14_480)
    data = [n for n, segment in enumerate(transfer.segments) if segment.length]
    for n in reversed(data[2:-2]):
        del transfer.segments[n]
    found = measure(transfer.observe())
    assert isinstance(found, NotMeasured)
    assert not found.observable
