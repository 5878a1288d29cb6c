"""Mark instead of losing: `include/net/inet_ecn.h INET_ECN_set_ce`, RFC 3168."""

from netem.pipeline.frame import network
from netem.pipeline.packet import Frame, Packet
from netem.pipeline.stage import Build

_CE = 3
_NOT_ECT = 0


def mark_ce(frame: Frame, start: int) -> bytes | None:
    """Return the frame with Congestion Experienced set and the IPv4 checksum right, None if it is not ECN-capable."""
    place = network(frame, start)
    if place is None:
        return None
    at = place.offset
    shift = 4 if place.family == "ipv6" else 0  # the traffic class of IPv6 straddles the first two bytes
    field = frame[at + 1]
    ecn = field >> shift & _CE
    if ecn == _NOT_ECT:
        return None
    marked = bytearray(frame)
    marked[at + 1] = field | _CE << shift
    if place.family == "ipv4":
        # RFC 1624: only the first word of the header changes
        old = int.from_bytes(frame[at + 10 : at + 12], "big")
        total = (old ^ 0xFFFF) + (0xFFFF - field) + marked[at + 1]
        total = (total & 0xFFFF) + (total >> 16)
        marked[at + 10 : at + 12] = ((total & 0xFFFF) ^ 0xFFFF).to_bytes(2, "big")
    return bytes(marked)


class EcnStage:
    """Give back what the loss model took, marked, if the packet is ECN-capable."""

    def __init__(self, build: Build) -> None:
        self._counters = build.counters
        self._start = build.frame_start

    def apply(self, packet: Packet) -> None:
        """Mark the packet lost by the model; a packet already marked counts as marked, as in the kernel."""
        if packet.dropped_by != "dropped_loss":
            return
        marked = mark_ce(packet.frame, self._start)
        if marked is not None:
            packet.frame = marked
            packet.copies += 1
            packet.dropped_by = None
            self._counters.ce_marked += 1
