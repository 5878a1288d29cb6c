"""The error for a file that is not a readable capture."""

from testbed.errors import TestbedError


class CaptureError(TestbedError):
    """Reports a malformed capture: `reason` describes the fault at `offset_bytes` of the file."""

    def __init__(self, offset_bytes: int, reason: str, *, hint: str = "") -> None:
        self.offset_bytes = offset_bytes
        self.reason = reason
        super().__init__(
            f"read capture: {reason}, at byte {offset_bytes}",
            hint=hint or "use a capture in pcap or pcapng format, as written by tcpdump or dumpcap",
        )
