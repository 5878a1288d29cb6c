"""Let packets overtake: the reorder decision of `sch_netem.c netem_enqueue`."""

from netem.pipeline.correlation import source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build
from netem.spec.model import Reorder
from netem.spec.quantity import fixed_point


class ReorderStage:
    """Send a packet at once after `gap` - 1 delayed ones, if the draw says so; it costs neither delay nor rate."""

    def __init__(self, build: Build) -> None:
        part = build.impairment.reorder or Reorder(0.0)
        self._threshold = fixed_point(part.probability)
        self._gap = part.gap
        self._delayed = 0
        self._counters = build.counters
        true = build.impairment.extension.true_correlation
        self._draw = source(build.rng, part.correlation, true_correlation=true)

    def apply(self, packet: Packet) -> None:
        """Mark the packet as overtaking; inside the gap nothing is drawn."""
        if not self._threshold or self._delayed < self._gap - 1 or self._threshold < self._draw():
            self._delayed += 1
            return
        self._delayed = 0
        packet.overtakes = True
        self._counters.reordered += 1
