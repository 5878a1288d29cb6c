"""One packet as it passes the stages."""

Frame = bytes | bytearray | memoryview
Entry = tuple[int, int, int, Frame]
"""A queued frame: due_ns, arrived_ns, wire_bytes, frame."""
EXEMPT = -1
"""As arrived_ns: the frame is exempt from the impairment, so its delay is not recorded."""


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
        """0: dropped, 2: duplicated. A packet both lost and duplicated is sent once, as in netem."""
        self.dropped_by: str | None = None
        """Name of the counter to raise, None unless dropped."""
        self.overtakes = False
        """Whether it is sent at once, ahead of all queued packets."""
