"""An impairment that does nothing: copy this file to start a new one (docs/link.md, "Add an impairment")."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext


class NoopStage:
    """Leave every packet as it is."""

    def __init__(self, context: StageContext) -> None:
        self._rng = context.rng
        self._counters = context.counters

    def apply(self, packet: Packet) -> None:
        """Change nothing: not the frame, not `packet.copies`, not `packet.due_ns`."""
