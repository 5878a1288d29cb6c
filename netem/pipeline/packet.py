"""One packet on its way through the stages."""

Frame = bytes | bytearray | memoryview
Entry = tuple[int, int, int, Frame]
"""What is queued: due_ns, arrived_ns, wire_bytes, frame."""
NEVER_NS = -1
"""Instead of arrived_ns: this frame was never the impairment's, so its delay tells nothing of it."""


class Packet:
    """A frame and what the stages have decided about it so far."""

    __slots__ = ("arrived_ns", "copies", "dropped_by", "due_ns", "frame", "overtakes", "wire_bytes")

    def __init__(self, frame: Frame, wire_bytes: int, arrived_ns: int) -> None:
        self.frame = frame
        self.wire_bytes = wire_bytes
        """Bytes on the wire, the headers of every segment of a super-packet included."""
        self.arrived_ns = arrived_ns
        self.due_ns = arrived_ns
        self.copies = 1
        """0 is lost, 2 is duplicated; a packet both lost and duplicated is sent once, as in netem."""
        self.dropped_by: str | None = None
        """Name of the counter to blame, None when not lost."""
        self.overtakes = False
        """Sent at once, ahead of everything that waits."""
