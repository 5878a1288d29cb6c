"""Tail drop: the queue holds only so many packets."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build
from netem.spec.kernel import limit_packets


class LimitStage:
    """Lose what finds the queue full."""

    def __init__(self, build: Build) -> None:
        self._limit_packets = limit_packets(build.impairment)
        self._queue = build.queue

    def apply(self, packet: Packet) -> None:
        """Lose the packet, with the copy that was to follow it; what is overdue no longer counts as queued."""
        queue = self._queue
        if len(queue) >= self._limit_packets:
            queue.release(packet.arrived_ns)
            if len(queue) >= self._limit_packets:
                packet.copies = 0
                packet.dropped_by = "dropped_limit"
