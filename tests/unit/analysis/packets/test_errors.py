from testbed.analysis.packets.errors import CaptureError
from testbed.errors import TestbedError


def test_the_error_has_its_facts() -> None:
    error = CaptureError(24, "no packet")
    assert isinstance(error, TestbedError)
    assert (error.offset_bytes, error.reason) == (24, "no packet")
    assert str(error) == "read capture: no packet, at byte 24"
    assert "pcap" in error.hint
