"""Tail drop: the queue holds at most `limit` packets."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext, State
from netem.spec.kernel import limit_packets


class LimitStage:
    """Drop a packet that finds the queue full."""

    def __init__(self, context: StageContext) -> None:
        self._limit_packets = limit_packets(context.impairment)
        self._queue = context.queue

    def apply(self, packet: Packet) -> None:
        """Drop the packet, and the copy due to follow it; an overdue packet no longer counts as queued."""
        queue = self._queue
        if len(queue) >= self._limit_packets:
            queue.release(packet.arrived_ns)
            if len(queue) >= self._limit_packets:
                packet.copies = 0
                packet.dropped_by = "dropped_limit"

    def export_state(self) -> State:
        """Return the configuration."""
        return {"limit_packets": self._limit_packets}

    def import_state(self, state: State) -> None:
        """Do nothing: the queue moves separately."""
