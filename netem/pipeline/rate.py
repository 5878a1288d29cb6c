"""A link of finite rate: `sch_netem.c packet_time_ns` and the reference to the last packet queued."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext, State
from netem.spec.model import Rate

_NS_BITS = 8 * 10**9


def line_bytes(wire_bytes: int, rate: Rate) -> int:
    """Return the bytes that the link carries for a packet, with overhead and in whole cells."""
    length = max(0, wire_bytes + rate.overhead_bytes)
    if not rate.cell_bytes:
        return length
    return -(-length // rate.cell_bytes) * (rate.cell_bytes + rate.cell_overhead_bytes)


class RateStage:
    """Send a packet after the last one queued, for as long as its bytes take. There is no burst credit."""

    def __init__(self, context: StageContext) -> None:
        self._rate = context.impairment.rate or Rate(8)
        self._queue = context.queue

    def apply(self, packet: Packet) -> None:
        """Set the due time to max(due, last due in the queue) plus the transmission time."""
        last_ns = self._queue.last_due_ns()
        if last_ns is not None and last_ns > packet.arrived_ns:
            packet.due_ns = max(packet.due_ns, last_ns)
        packet.due_ns += line_bytes(packet.wire_bytes, self._rate) * _NS_BITS // self._rate.rate_bps

    def export_state(self) -> State:
        """Return the configuration."""
        return {
            "rate_bps": self._rate.rate_bps,
            "overhead_bytes": self._rate.overhead_bytes,
            "cell_bytes": self._rate.cell_bytes,
            "cell_overhead_bytes": self._rate.cell_overhead_bytes,
        }

    def import_state(self, state: State) -> None:
        """Do nothing: the queue moves separately."""
