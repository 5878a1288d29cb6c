from dataclasses import replace

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.window_reopening import measure
from testbed.analysis.join.observation import End, Observation
from tests.support.captures import syn_options
from tests.support.transfers import Transfer, captures_of, fast_reader, slow_reader


def test_silly_windows_are_avoided() -> None:
    found = measure(slow_reader().observe())
    assert isinstance(found, Measured)
    assert found.fact.silly_windows == 0
    assert found.fact.reads_per_period_median == 1
    assert found.fact.silly_windows == 0
    assert len(found.evidence[0].numbers) == found.fact.reopenings


def test_a_silly_window_is_reported() -> None:
    transfer = slow_reader()
    for number, segment in enumerate(transfer.segments[4:-4], 4):
        if segment.from_server and segment.window:
            transfer.segments[number] = replace(segment, window=2)
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.reopened_min_bytes == 256
    assert found.fact.silly_windows
    assert found.strength == 0.6


def test_half_of_a_small_buffer_is_not_silly() -> None:
    """Over loopback a segment takes 64 kB: a receiver with less than that cannot wait for room for one."""
    transfer = slow_reader()
    large = syn_options(mss=65_476, scale=7)
    for number in (0, 1):
        transfer.segments[number] = replace(transfer.segments[number], options=large, window=14_000)
    found = measure(captures_of(transfer.segments))
    assert isinstance(found, Measured)
    assert found.fact.silly_windows == 0
    assert found.fact.silly_windows == 0
    assert found.fact.reopened_min_bytes < found.fact.mss_bytes
    assert found.strength == 0.3


def test_from_captures_alone() -> None:
    found = measure(captures_of(slow_reader().segments))
    assert isinstance(found, Measured)
    assert found.not_observed


def test_not_applicable_when_it_never_closed() -> None:
    found = measure(fast_reader().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_what_it_needs() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_a_single_reopening_has_no_median() -> None:
    transfer = Transfer(total_bytes=18_000, rcvbuf_bytes=16_384)
    transfer.next_read_ms = 1000
    found = measure(transfer.run().observe())
    assert isinstance(found, Measured)
    assert (found.fact.reopenings, found.fact.reads_per_period_median) == (1, 1)
