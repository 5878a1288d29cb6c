"""Lose everything for a while (ours)."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build


class BlackholeStage:
    """Lose the packets that arrive inside a hole; times count from the first packet that arrives."""

    def __init__(self, build: Build) -> None:
        self._holes = [
            (hole.start_ns, hole.start_ns + hole.duration_ns) for hole in build.impairment.extension.blackholes
        ]
        self._origin_ns: int | None = None

    def apply(self, packet: Packet) -> None:
        """Lose the packet if it arrives inside a hole: from its beginning, up to but not at its end."""
        if self._origin_ns is None:
            self._origin_ns = packet.arrived_ns
        age_ns = packet.arrived_ns - self._origin_ns
        for start_ns, end_ns in self._holes:
            if start_ns <= age_ns < end_ns:
                packet.copies = 0
                packet.dropped_by = "dropped_blackhole"
                return
