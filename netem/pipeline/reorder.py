"""Let packets overtake: the reorder decision of `sch_netem.c netem_enqueue`."""

from netem.pipeline.correlation import source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext, State
from netem.spec.model import Reorder
from netem.spec.quantity import fixed_point


class ReorderStage:
    """Send a packet at once after `gap` - 1 delayed ones, if drawn; it bypasses delay and rate."""

    def __init__(self, context: StageContext) -> None:
        config = context.impairment.reorder or Reorder(0.0)
        self._threshold = fixed_point(config.probability)
        self._gap = config.gap
        self._delayed = 0
        self._counters = context.counters
        true = context.impairment.extension.true_correlation
        self._source = source(context.rng, config.correlation, true_correlation=true)
        self._draw = self._source.draw

    def apply(self, packet: Packet) -> None:
        """Mark the packet as overtaking; do not draw inside the gap."""
        if not self._threshold or self._delayed < self._gap - 1 or self._threshold < self._draw():
            self._delayed += 1
            return
        self._delayed = 0
        packet.overtakes = True
        self._counters.reordered += 1

    def export_state(self) -> State:
        """Return configuration, state and draws."""
        return self._source.export_state() | {"threshold": self._threshold, "gap": self._gap, "delayed": self._delayed}

    def import_state(self, state: State) -> None:
        """Continue the draws and the gap."""
        self._source.import_state(state)
        self._delayed = state["delayed"]
