from dataclasses import replace

import pytest

from testbed.analysis.findings import registry
from testbed.analysis.findings.window_closed import explain
from testbed.analysis.join.observation import End, Observation
from testbed.result import Finding, Silence
from tests.support.captures import pcap
from tests.support.transfers import (
    Transfer,
    broken_off,
    captured,
    fast_reader,
    seen_in,
    slow_network,
    slow_reader,
    slow_sender,
)


def test_closures_are_told_with_their_frames() -> None:
    found = explain(slow_reader().observe())
    assert isinstance(found, Finding)
    assert found.numbers["closures"] == 6
    assert found.numbers["closed_s"] == pytest.approx(1.495)
    assert float(found.numbers["closed_share"]) > 0.9
    assert found.evidence[0].file == "server/capture.pcap"
    assert found.evidence[0].count == found.numbers["zero_window_frames"]
    assert found.evidence[0].filter.startswith("frame.number in {")
    assert (found.confidence, found.contradicting) == ("high", [])


def test_a_window_that_stayed_closed_is_no_share_of_the_sending() -> None:
    observation = slow_reader().observe()
    whole = explain(observation)
    observation.__dict__["sending_s"] = 0.5
    found = explain(observation)
    assert isinstance(whole, Finding)
    assert isinstance(found, Finding)
    assert " of 1.5" in whole.sentence
    assert "was closed for 1.495 s in 6 closures" in found.sentence


@pytest.mark.parametrize("transfer", [fast_reader, slow_network, slow_sender])
def test_silent_when_it_never_closed(transfer) -> None:
    found = explain(transfer().observe())
    assert isinstance(found, Silence)
    assert found.observable


def test_without_a_capture_it_cannot_be_seen() -> None:
    found = explain(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, Silence)
    assert not found.observable


def test_doubts_are_told() -> None:
    observation = slow_reader().observe()
    samples = observation.sender.samples
    assert samples is not None
    samples._numbers["rwnd_limited"] = samples.column("rwnd_limited") // 100
    assert observation.receiver.capture is not None
    doubtful = replace(
        observation,
        receiver=replace(observation.receiver, capture=replace(observation.receiver.capture, complete=False)),
    )
    found = explain(doubtful)
    assert isinstance(found, Finding)
    assert found.confidence == "medium"
    assert "kernel counts" in found.contradicting[0]


def test_no_sample_of_a_closed_window_is_a_doubt() -> None:
    observation = slow_reader().observe()
    samples = observation.receiver.samples
    assert samples is not None
    samples._numbers["rcv_wnd"] = samples.column("rcv_wnd") * 0 + 5
    found = explain(observation)
    assert isinstance(found, Finding)
    assert found.contradicting == ["no sample of the receiver's socket shows a closed window"]


def test_the_senders_capture_serves_too() -> None:
    observation = seen_in(slow_reader().segments)
    found = explain(replace(observation, receiver=End("server")))
    assert isinstance(found, Finding)
    assert found.not_observed


def test_without_handshake_the_confidence_is_less() -> None:
    capture = captured(pcap(slow_reader().segments[3:]), complete=True)
    found = explain(Observation(sender=End("client", capture=capture), receiver=End("server", capture=capture)))
    assert isinstance(found, Finding)
    assert found.confidence == "medium"


@pytest.mark.parametrize(("counted", "doubts"), [(6, []), (9, ["the receiver's kernel counts 9 closures"])])
def test_the_kernels_count_stands_beside(counted: int, doubts: list[str]) -> None:
    observation = slow_reader().observe()
    found = explain(
        replace(observation, receiver=replace(observation.receiver, counters={"TcpExtTCPToZeroWindowAdv": counted}))
    )
    assert isinstance(found, Finding)
    assert found.numbers["kernel_closures"] == counted
    assert found.contradicting == doubts


def test_a_window_is_never_closed_for_longer_than_was_sent() -> None:
    found = explain(broken_off().observe())
    assert isinstance(found, Finding)
    assert float(found.numbers["closed_s"]) < float(found.numbers["sending_s"])


def test_what_led_to_a_closure_behind_a_gap_is_not_known() -> None:
    transfer = Transfer(total_bytes=18_000, rcvbuf_bytes=16_384, rate_bytes_per_ms=1000)
    transfer.next_read_ms = 1000
    transfer.run()
    closes = next(n for n, segment in enumerate(transfer.segments) if segment.from_server and not segment.window)
    transfer.segments[6:closes] = []
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert "what led to it is not in the capture" in found.sentence


def test_a_log_that_lacks_its_first_lines_makes_no_time_before_the_start() -> None:
    transfer = slow_reader()
    transfer.logs["client"][:20] = []
    found = explain(transfer.observe())
    assert isinstance(found, Finding)
    assert found.numbers["first_at_s"] == 0


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    transfer = slow_reader(total_bytes=20_000)
    closes = next(n for n, segment in enumerate(transfer.segments) if segment.from_server and not segment.window)
    for n in range(closes + 1, len(transfer.segments)):
        transfer.segments[n] = replace(transfer.segments[n], time_ns=transfer.segments[n].time_ns - 10**12)
    observation = seen_in(transfer.segments)
    found = explain(observation)
    assert isinstance(found, Finding)
    assert found.strength >= 0
    assert all(value >= 0 for value in found.numbers.values() if not isinstance(value, str))
    assert len(registry.explain(observation).findings) > 0
