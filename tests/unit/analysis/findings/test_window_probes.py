from dataclasses import replace

from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.findings.window_probes import NotAsExpected, measure
from testbed.analysis.join.observation import End, Observation
from tests.support.transfers import Transfer, fast_reader, slow_reader


def test_probes_as_the_backoff_predicts() -> None:
    found = measure(slow_reader(total_bytes=40_000, read_delay_ms=2000).observe())
    assert isinstance(found, Measured)
    # A period of 2 s is probed after 0.2, 0.6 and 1.4 s.
    assert found.fact.probes == found.fact.expected_probes
    assert found.contradicted_by == []
    assert found.fact.unanswered_probes == 0


def test_unanswered_probes_are_counted() -> None:
    transfer = slow_reader(total_bytes=40_000, read_delay_ms=2000)
    probe = next(n for n, s in enumerate(transfer.segments) if n > 3 and not s.from_server and not s.length)
    del transfer.segments[probe + 1]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.unanswered_probes == 1
    assert found.fact.unanswered_probes == 1


def test_many_more_than_expected_contradict() -> None:
    transfer = slow_reader(total_bytes=40_000, read_delay_ms=2000)
    probe = next(n for n, s in enumerate(transfer.segments) if n > 3 and not s.from_server and not s.length)
    transfer.segments[probe:probe] = [transfer.segments[probe]] * 40
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert isinstance(found.contradicted_by[0], NotAsExpected)


def test_not_applicable_when_there_is_nothing_to_probe() -> None:
    for transfer in (fast_reader(), slow_reader(read_delay_ms=50)):
        found = measure(transfer.observe())
        assert isinstance(found, NotMeasured)
        assert found.observable


def test_what_it_needs() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_without_samples_the_least_rto_is_taken() -> None:
    observation = slow_reader(total_bytes=40_000, read_delay_ms=2000).observe()
    found = measure(replace(observation, sender=replace(observation.sender, samples=None)))
    assert isinstance(found, Measured)
    assert found.fact.first_rto_s == 0.22


def test_the_kernels_count_stands_beside() -> None:
    observation = slow_reader(total_bytes=40_000, read_delay_ms=2000).observe()
    for counters, doubts in (({"TcpExtTCPWinProbe": 9}, 0), ({}, 1)):
        found = measure(replace(observation, sender=replace(observation.sender, counters=counters)))
        assert isinstance(found, Measured)
        assert found.fact.kernel_probes == counters.get("TcpExtTCPWinProbe", 0)
        assert len(found.contradicted_by) == doubts
        assert found.not_observed == []


def test_a_single_period() -> None:
    transfer = Transfer(total_bytes=18_000, rcvbuf_bytes=16_384)
    transfer.next_read_ms = 1000
    found = measure(transfer.run().observe())
    assert isinstance(found, Measured)
    assert found.fact.periods == 1


def test_of_the_last_frame_it_is_not_known_whether_it_was_answered() -> None:
    transfer = slow_reader(total_bytes=40_000, read_delay_ms=2000)
    last = max(n for n, s in enumerate(transfer.segments[:-3]) if not s.from_server and not s.length)
    del transfer.segments[last + 1 :]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.unanswered_probes == 0
