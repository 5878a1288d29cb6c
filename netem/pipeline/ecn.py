"""Mark instead of dropping: `include/net/inet_ecn.h INET_ECN_set_ce`, RFC 3168."""

from netem.pipeline.frame import find_ip_header
from netem.pipeline.packet import Frame, Packet
from netem.pipeline.stage import StageContext

_CE = 3
_NOT_ECT = 0


def mark_ce(frame: Frame, start: int) -> bytes | None:
    """Return the frame with Congestion Experienced set and the IPv4 checksum updated, None if it is not ECN-capable."""
    header = find_ip_header(frame, start)
    if header is None:
        return None
    at = header.offset
    shift = 4 if header.family == "ipv6" else 0  # the traffic class of IPv6 straddles the first two bytes
    field = frame[at + 1]
    ecn = field >> shift & _CE
    if ecn == _NOT_ECT:
        return None
    marked = bytearray(frame)
    marked[at + 1] = field | _CE << shift
    if header.family == "ipv4":
        # RFC 1624: only the first word of the header changes
        old = int.from_bytes(frame[at + 10 : at + 12], "big")
        total = (old ^ 0xFFFF) + (0xFFFF - field) + marked[at + 1]
        total = (total & 0xFFFF) + (total >> 16)
        marked[at + 10 : at + 12] = ((total & 0xFFFF) ^ 0xFFFF).to_bytes(2, "big")
    return bytes(marked)


class EcnStage:
    """Mark an ECN-capable packet that the loss model drops, and keep it."""

    def __init__(self, context: StageContext) -> None:
        self._counters = context.counters
        self._start = context.frame_start

    def apply(self, packet: Packet) -> None:
        """Mark the packet if `loss` drops it; a packet already marked counts as marked, as in the kernel."""
        if packet.dropped_by != "dropped_loss":
            return
        marked = mark_ce(packet.frame, self._start)
        if marked is not None:
            packet.frame = marked
            packet.copies += 1
            packet.dropped_by = None
            self._counters.ce_marked += 1
