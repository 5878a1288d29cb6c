from dataclasses import replace

from testbed.analysis.findings.window_probes import explain
from testbed.analysis.join.observation import End, Observation
from testbed.result import Finding, Silence
from tests.support.transfers import Transfer, fast_reader, slow_reader


def test_probes_as_the_law_expects() -> None:
    found = explain(slow_reader(total_bytes=40_000, read_delay_ms=2000).observe())
    assert isinstance(found, Finding)
    # A closure of 2 s is probed after 0.2, 0.6 and 1.4 s.
    assert found.numbers["probes"] == found.numbers["expected_probes"]
    assert found.contradicting == []
    assert found.numbers["unanswered_probes"] == 0
    assert "keep-alives" in found.sentence


def test_unanswered_probes_are_counted() -> None:
    transfer = slow_reader(total_bytes=40_000, read_delay_ms=2000)
    probe = next(n for n, s in enumerate(transfer.segments) if n > 3 and not s.from_server and not s.length)
    del transfer.segments[probe + 1]
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert found.numbers["unanswered_probes"] == 1
    assert "1 got no answer" in found.sentence


def test_many_more_than_expected_contradict() -> None:
    transfer = slow_reader(total_bytes=40_000, read_delay_ms=2000)
    probe = next(n for n, s in enumerate(transfer.segments) if n > 3 and not s.from_server and not s.length)
    transfer.segments[probe:probe] = [transfer.segments[probe]] * 40
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert "probes are seen where the law expects" in found.contradicting[0]


def test_silent_when_there_is_nothing_to_probe() -> None:
    for transfer in (fast_reader(), slow_reader(read_delay_ms=50)):
        found = explain(transfer.observe())
        assert isinstance(found, Silence)
        assert found.observable


def test_what_it_needs() -> None:
    found = explain(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, Silence)
    assert not found.observable


def test_without_samples_the_least_rto_is_taken() -> None:
    observation = slow_reader(total_bytes=40_000, read_delay_ms=2000).observe()
    found = explain(replace(observation, sender=replace(observation.sender, samples=None)))
    assert isinstance(found, Finding)
    assert found.numbers["first_rto_s"] == 0.22


def test_the_kernels_count_stands_beside() -> None:
    observation = slow_reader(total_bytes=40_000, read_delay_ms=2000).observe()
    for counters, doubts in (({"TcpExtTCPWinProbe": 9}, 0), ({}, 1)):
        found = explain(replace(observation, sender=replace(observation.sender, counters=counters)))
        assert isinstance(found, Finding)
        assert found.numbers["kernel_probes"] == counters.get("TcpExtTCPWinProbe", 0)
        assert len(found.contradicting) == doubts
        assert found.not_observed == []


def test_a_single_closure() -> None:
    transfer = Transfer(total_bytes=18_000, rcvbuf_bytes=16_384)
    transfer.next_read_ms = 1000
    found = explain(transfer.run().observe())
    assert isinstance(found, Finding)
    assert "in 1 closure of this length" in found.sentence


def test_of_the_last_frame_it_is_not_known_whether_it_was_answered() -> None:
    transfer = slow_reader(total_bytes=40_000, read_delay_ms=2000)
    last = max(n for n, s in enumerate(transfer.segments[:-3]) if not s.from_server and not s.length)
    del transfer.segments[last + 1 :]
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert found.numbers["unanswered_probes"] == 0
