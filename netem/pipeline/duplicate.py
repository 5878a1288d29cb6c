"""Send packets twice: the first draw of `sch_netem.c netem_enqueue`."""

from netem.pipeline.correlation import source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext, State
from netem.spec.model import Duplicate
from netem.spec.quantity import fixed_point


class DuplicateStage:
    """Request a second copy, which passes the later stages on its own."""

    def __init__(self, context: StageContext) -> None:
        config = context.impairment.duplicate or Duplicate(0.0)
        self._threshold = fixed_point(config.probability)
        true = context.impairment.extension.true_correlation
        self._source = source(context.rng, config.correlation, true_correlation=true)
        self._draw = self._source.draw

    def apply(self, packet: Packet) -> None:
        """Raise the number of copies; loss may lower it again."""
        if self._threshold and self._threshold >= self._draw():
            packet.copies += 1

    def export_state(self) -> State:
        """Return configuration, state and draws."""
        return self._source.export_state() | {"threshold": self._threshold}

    def import_state(self, state: State) -> None:
        """Continue the draws."""
        self._source.import_state(state)
