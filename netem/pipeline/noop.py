"""An impairment that does nothing: copy this file to begin a new one (docs/link.md, "Add an impairment")."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build


class Noop:
    """Leave every packet as it is."""

    def __init__(self, build: Build) -> None:
        self._rng = build.rng
        self._counters = build.counters

    def apply(self, packet: Packet) -> None:
        """Change nothing: not the frame, not `packet.copies`, not `packet.due_ns`."""
