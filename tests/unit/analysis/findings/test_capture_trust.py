from dataclasses import replace
from pathlib import Path

import pytest

from testbed.analysis.findings.capture_trust import CapturesComplete, CapturesFlawed, Flaw, FlawKind, measure
from testbed.analysis.findings.measured import Measured, NotMeasured
from testbed.analysis.join.observation import CaptureState, End, Observation
from testbed.evaluation.cell import analyse
from testbed.report.explain import MIN_STRENGTH
from testbed.report.sentences.registry import words
from tests.support.captures import pcap
from tests.support.transfers import captured, fast_reader, slow_network, slow_reader


@pytest.mark.parametrize(
    ("change", "text", "affected"),
    [
        (lambda capture: replace(capture, note="stamped after netem"), "pcap: stamped after netem", "window-probes"),
        (lambda capture: replace(capture, complete=False, why="6 frames"), "not complete (6 frames)", "window-probes"),
        (
            lambda capture: CaptureState("server/capture.pcap", error="read capture: no"),
            "read capture: no",
            "segmentation",
        ),
        (lambda capture: captured(pcap(slow_reader().segments)[:-5], complete=True), "ends within a record", "closing"),
        (lambda capture: captured(pcap(slow_reader().segments[3:]), complete=True), "no handshake", "window-reopening"),
        (lambda capture: captured(pcap([]), complete=True), "has no TCP connection", "window-closed"),
        (lambda capture: None, "the server has no capture", "delayed-ack"),
        (
            lambda capture: replace(capture, facts=replace(capture.facts, dropped_packets=3)),
            "lacks 3 dropped packets",
            "retransmissions",
        ),
    ],
)
def test_flaws_and_what_they_affect(change, text: str, affected: str) -> None:
    observation = slow_reader().observe()
    found = measure(
        replace(observation, receiver=replace(observation.receiver, capture=change(observation.receiver.capture)))
    )
    assert isinstance(found, Measured)
    assert isinstance(found.fact, CapturesFlawed)
    assert text in words(found.fact)
    assert affected in found.fact.affected_findings
    assert found.strength == 0.4


def test_drops_that_tcpdump_counted_reach_the_result(tmp_path: Path) -> None:
    """From tcpdump's counters in the record of a cell to its findings, its notes, and their confidence."""
    why = "the kernel dropped 7 frames that the capture should hold"
    stopped = {"stopped": {"capture": {"complete": False, "why": why, "note": ""}}}
    whole = {"stopped": {"capture": {"complete": True, "why": "", "note": ""}}}
    folder = slow_reader().write(tmp_path / "run" / "cell", sidecars={"client": whole, "server": stopped})
    result = analyse(folder)
    found = {finding.name: finding for finding in result.findings}
    assert f"server/capture.pcap is not complete ({why})" in found["capture-trust"].sentence
    assert "client/capture.pcap" not in found["capture-trust"].sentence
    for name in ("window-closed", "window-probes", "retransmissions", "segmentation"):
        assert name in found["capture-trust"].facts["affected_findings"]
    assert found["capture-trust"].strength >= MIN_STRENGTH
    assert found["window-closed"].confidence == "medium"
    assert f"server/capture.pcap is not complete: {why}" in result.notes


def test_data_that_was_not_captured() -> None:
    transfer = slow_network()
    del transfer.segments[9]
    found = measure(transfer.observe())
    assert isinstance(found, Measured)
    assert {flaw.kind for flaw in found.fact.flaw_details} == {FlawKind.DATA_MISSING}
    assert [source.kind for source in found.evidence] == ["file", "frames"] * 2


def test_a_clock_that_was_set() -> None:
    observation = slow_network().observe()
    assert observation.sender.samples is not None
    observation.sender.samples.realtime_ns[len(observation.sender.samples) // 2 :] += 50_000_000
    found = measure(observation)
    assert isinstance(found, Measured)
    (flaw,) = found.fact.flaw_details
    assert (flaw.kind, flaw.clock_moved_s) == (FlawKind.CLOCK_MOVED, pytest.approx(0.05, abs=1e-6))
    assert found.fact.affected_findings == ("back-pressure", "conservation", "sender-limit", "write-blocked")


def test_a_sample_that_was_interrupted_is_no_step() -> None:
    observation = slow_network().observe()
    assert observation.sender.samples is not None
    observation.sender.samples.realtime_ns[3] += 50_000_000
    assert isinstance(measure(observation), NotMeasured)


def test_offloaded_frames_are_reported_with_little_strength() -> None:
    found = measure(fast_reader(chunk_bytes=14_480).observe())
    assert isinstance(found, Measured)
    assert isinstance(found.fact, CapturesComplete)
    assert found.fact.offloaded_frames > 1
    assert found.strength == 0.1


def test_not_applicable_to_complete_captures() -> None:
    found = measure(slow_network().observe())
    assert isinstance(found, NotMeasured)
    assert found.observable


def test_nothing_at_all() -> None:
    found = measure(Observation(sender=End("client"), receiver=End("server")))
    assert isinstance(found, Measured)
    assert found.fact.flaw_details == (Flaw(FlawKind.MISSING, "client"), Flaw(FlawKind.MISSING, "server"))


def test_a_single_offloaded_frame() -> None:
    found = measure(fast_reader(total_bytes=14_480, chunk_bytes=14_480).observe())
    assert isinstance(found, Measured)
    assert found.fact == CapturesComplete(1)
