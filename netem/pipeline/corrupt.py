"""Flip one bit: `sch_netem.c netem_enqueue`, randomized packet corruption."""

from netem.pipeline.correlation import source
from netem.pipeline.frame import complete_checksum, is_super_packet
from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext
from netem.spec.model import Corrupt
from netem.spec.quantity import fixed_point


class CorruptStage:
    """Flip one random bit of one random byte, Ethernet header included, after completing the checksum."""

    def __init__(self, context: StageContext) -> None:
        config = context.impairment.corrupt or Corrupt(0.0)
        self._threshold = fixed_point(config.probability)
        self._rng = context.rng
        self._counters = context.counters
        self._start = context.frame_start
        true = context.impairment.extension.true_correlation
        self._draw = source(context.rng, config.correlation, true_correlation=true).draw

    def apply(self, packet: Packet) -> None:
        """Corrupt a copy of the frame; count and skip a super-packet, whose checksums the kernel would renew."""
        if not self._threshold or self._threshold < self._draw() or len(packet.frame) <= self._start:
            return
        if is_super_packet(packet.frame, self._start):
            self._counters.corruption_skipped += 1
            return
        frame = bytearray(packet.frame)
        complete_checksum(frame, self._start)
        frame[self._rng.randrange(self._start, len(frame))] ^= 1 << self._rng.randrange(8)
        packet.frame = bytes(frame)
        self._counters.corrupted += 1
