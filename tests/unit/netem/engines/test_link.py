import pytest

from netem.contract.errors import SidecarError
from netem.engines.link import CapturePoint, PlainLink
from netem.spec import parse


def test_a_plain_link_is_captured_both_ways_and_does_not_change() -> None:
    link = PlainLink("eth0", "nothing to impair")
    assert (link.engine, link.reason, link.readback(), link.counters()) == ("none", "nothing to impair", None, {})
    assert link.capture_points == (CapturePoint("eth0", inbound_only=False),)
    with pytest.raises(SidecarError, match=r"delay 5ms.*NETEM_ENGINE"):
        link.change(parse("delay 5ms"))
