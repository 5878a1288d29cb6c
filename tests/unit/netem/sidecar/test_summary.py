import pytest

from netem.contract.errors import SidecarError
from netem.sidecar.parts import NoCapture
from netem.sidecar.summary import Summary
from tests.support.sidecar_parts import Calls, FakeCapture, FakeLink, FakeMonitor, FakeSampler


def test_what_was_never_started_leaves_its_key_empty() -> None:
    assert Summary().facts() == {"counters": {}, "capture": None}


def test_each_part_has_its_key() -> None:
    calls, summary = Calls(), Summary()
    link = FakeLink(calls, None)
    summary.stop_sampler(FakeSampler(calls))
    summary.stop_monitor(FakeMonitor(calls))
    summary.count_link(link)
    summary.stop_capture(FakeCapture(calls, int, lambda error: None), link)
    assert summary.facts() == {
        "counters": {"sockets": {"samples": 5}, "link": {"frames": 7}},
        "capture": {"frames": 3, "note": "noted"},
        "tcp": {},
        "host": None,
    }
    assert calls.made == ["sampler.stop", "monitor.stop", "link.counters", "capture.stop"]


def test_a_capture_that_is_switched_off_is_null() -> None:
    summary, link = Summary(), FakeLink(Calls(), None)
    capture = NoCapture()
    capture.start(link.capture_points)
    capture.mark()
    assert capture.ready
    summary.stop_capture(capture, link)
    assert summary.facts()["capture"] is None


def test_a_part_that_fails_leaves_the_others() -> None:
    calls, summary = Calls(), Summary()
    calls.failures["link.counters"] = SidecarError("count", "no")
    summary.stop_sampler(FakeSampler(calls))
    with pytest.raises(SidecarError):
        summary.count_link(FakeLink(calls, None))
    assert summary.facts()["counters"] == {"sockets": {"samples": 5}}
