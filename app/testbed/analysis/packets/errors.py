"""The one error of a capture that cannot be read."""

from testbed.errors import TestbedError


class CaptureError(TestbedError):
    """Report bytes that are no capture; `offset_bytes` is where in the file, `reason` what is wrong there."""

    def __init__(self, offset_bytes: int, reason: str) -> None:
        self.offset_bytes = offset_bytes
        self.reason = reason
        super().__init__(
            f"read capture: {reason}, at byte {offset_bytes}",
            hint="give a capture in pcap or pcapng format, as tcpdump and dumpcap write them",
        )
