"""Send packets twice: the first draw of `sch_netem.c netem_enqueue`."""

from netem.pipeline.correlation import source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build
from netem.spec.model import Duplicate
from netem.spec.quantity import fixed_point


class DuplicateStage:
    """Ask for a second copy; the copy makes its own way through the later stages."""

    def __init__(self, build: Build) -> None:
        part = build.impairment.duplicate or Duplicate(0.0)
        self._threshold = fixed_point(part.probability)
        true = build.impairment.extension.true_correlation
        self._draw = source(build.rng, part.correlation, true_correlation=true)

    def apply(self, packet: Packet) -> None:
        """Raise the number of copies; loss may take one back."""
        if self._threshold and self._threshold >= self._draw():
            packet.copies += 1
