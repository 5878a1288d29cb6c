from dataclasses import replace

import pytest

from testbed.analysis.findings import registry
from testbed.analysis.findings.measured import Fact, Measured, NotMeasured
from testbed.analysis.findings.window_closed import KernelCountsPeriods, LimitedForLess, measure
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.packets.zero_window import ZeroWindowCause
from testbed.report.sentences.registry import words
from tests.support.captures import pcap
from tests.support.samples import with_columns
from tests.support.transfers import (
    Transfer,
    broken_off,
    captured,
    captures_of,
    fast_reader,
    slow_network,
    slow_reader,
    slow_sender,
)


def test_periods_are_reported_with_their_frames() -> None:
    found = measure(slow_reader().observe())
    assert isinstance(found, Measured)
    assert found.fact.periods == 6
    assert found.fact.closed_s == pytest.approx(1.495)
    assert float(found.fact.closed_share) > 0.9
    assert found.evidence[0].file == "server/capture.pcap"
    assert len(found.evidence[0].numbers) == found.fact.zero_window_frames
    assert (found.confidence, found.contradicted_by) == ("high", [])


def test_a_window_that_stayed_closed_is_no_share_of_the_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(slow_reader().observe())
    monkeypatch.setattr(Observation, "sending_s", 0.5)
    found = measure(slow_reader().observe())
    assert isinstance(whole, Measured)
    assert isinstance(found, Measured)
    assert " of 1.5" in words(whole.fact)
    assert "was closed for 1.495 s in 6 periods" in words(found.fact)


@pytest.mark.parametrize("transfer", [fast_reader, slow_network, slow_sender])
def test_not_applicable_when_it_never_closed(transfer) -> None:
    found = measure(transfer().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_without_a_capture_it_is_unobservable() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_doubts_are_reported() -> None:
    observation = with_columns(
        slow_reader().observe(), rwnd_limited=lambda samples: samples.column("rwnd_limited") // 100
    )
    assert observation.receiver.capture is not None
    doubtful = replace(
        observation,
        receiver=replace(observation.receiver, capture=replace(observation.receiver.capture, complete=False)),
    )
    found = measure(doubtful)
    assert isinstance(found, Measured)
    assert found.confidence == "medium"
    assert isinstance(found.contradicted_by[0], LimitedForLess)


def test_no_sample_of_a_closed_window_is_a_doubt() -> None:
    found = measure(with_columns(slow_reader().observe(), "receiver", rcv_wnd=5))
    assert isinstance(found, Measured)
    assert found.contradicted_by == ["no sample of the receiver's socket shows a closed window"]


def test_the_senders_capture_serves_too() -> None:
    observation = captures_of(slow_reader().segments)
    found = measure(replace(observation, receiver=End("server")))
    assert isinstance(found, Measured)
    assert found.not_observed


def test_without_handshake_the_confidence_is_less() -> None:
    capture = captured(pcap(slow_reader().segments[3:]), complete=True)
    found = measure(Observation(sender=End("client", capture=capture), receiver=End("server", capture=capture)))
    assert isinstance(found, Measured)
    assert found.confidence == "medium"


@pytest.mark.parametrize(("counted", "doubts"), [(6, []), (9, [KernelCountsPeriods(9)])])
def test_the_kernels_count_stands_beside(counted: int, doubts: list[Fact]) -> None:
    observation = slow_reader().observe()
    found = measure(
        replace(observation, receiver=replace(observation.receiver, counters={"TcpExtTCPToZeroWindowAdv": counted}))
    )
    assert isinstance(found, Measured)
    assert found.fact.kernel_periods == counted
    assert found.contradicted_by == doubts


def test_a_window_is_never_closed_for_longer_than_was_sent() -> None:
    found = measure(broken_off().observe())
    assert isinstance(found, Measured)
    assert float(found.fact.closed_s) < float(found.fact.sending_s)


def test_what_led_to_a_period_behind_a_gap_is_not_known() -> None:
    transfer = Transfer(total_bytes=18_000, rcvbuf_bytes=16_384, rate_bytes_per_ms=1000)
    transfer.next_read_ms = 1000
    transfer.run()
    closes = next(n for n, segment in enumerate(transfer.segments) if segment.from_server and not segment.window)
    transfer.segments[6:closes] = []
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.cause == ZeroWindowCause.UNKNOWN


def test_a_log_that_lacks_its_first_lines_makes_no_time_before_the_start() -> None:
    transfer = slow_reader()
    transfer.logs["client"][:20] = []
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert found.fact.first_at_s == 0


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    transfer = slow_reader(total_bytes=20_000)
    closes = next(n for n, segment in enumerate(transfer.segments) if segment.from_server and not segment.window)
    for n in range(closes + 1, len(transfer.segments)):
        transfer.segments[n] = replace(transfer.segments[n], time_ns=transfer.segments[n].time_ns - 10**12)
    observation = captures_of(transfer.segments)
    found = measure(observation)
    assert isinstance(found, Measured)
    assert found.strength >= 0
    assert min(found.fact.closed_s, found.fact.longest_s, found.fact.longest_at_s, found.fact.first_at_s) >= 0
    assert any(isinstance(answer, Measured) for answer in registry.measure(observation).values())
