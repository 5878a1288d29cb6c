"""Drop everything for a while (an extension to tc)."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext


class BlackholeStage:
    """Drop the packets that arrive inside a hole; times count from the first packet that arrives."""

    def __init__(self, context: StageContext) -> None:
        self._holes = [
            (hole.start_ns, hole.start_ns + hole.duration_ns) for hole in context.impairment.extension.blackholes
        ]
        self._origin_ns: int | None = None

    def apply(self, packet: Packet) -> None:
        """Drop the packet if it arrives inside a hole: start included, end excluded."""
        if self._origin_ns is None:
            self._origin_ns = packet.arrived_ns
        age_ns = packet.arrived_ns - self._origin_ns
        for start_ns, end_ns in self._holes:
            if start_ns <= age_ns < end_ns:
                packet.copies = 0
                packet.dropped_by = "dropped_blackhole"
                return
