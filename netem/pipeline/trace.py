"""A link of delivery opportunities (an extension), as Mahimahi's `link_queue` replays a trace."""

from bisect import bisect_left

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext
from netem.spec.errors import SpecError

OPPORTUNITY_BYTES = 1500
_MS_NS = 10**6


class TraceStage:
    """Send each packet with the opportunity that carries its last byte.

    The trace begins with the first packet and repeats after its last stamp. An opportunity with no packet waiting is
    lost; bytes left over by one packet serve the next packet that was already waiting.
    """

    def __init__(self, context: StageContext) -> None:
        name = str(context.impairment.extension.trace)
        if name not in context.resources.traces:
            raise SpecError("is not a known trace", word=name, hint="provide the trace file to the sidecar")
        self._stamps_ns = [stamp * _MS_NS for stamp in context.resources.traces[name]]
        self._period_ns = self._stamps_ns[-1]
        self._origin_ns: int | None = None
        self._current = -1
        self._left_bytes = 0

    def _time_ns(self, index: int) -> int:
        """Return when the opportunity comes, after the origin."""
        rounds, position = divmod(index, len(self._stamps_ns))
        return rounds * self._period_ns + self._stamps_ns[position]

    def _first_at(self, time_ns: int) -> int:
        rounds, rest_ns = divmod(max(0, time_ns), self._period_ns)
        if rest_ns == 0 and rounds:
            # the last stamp of one round and the start of the next fall on the same instant
            rounds, rest_ns = rounds - 1, self._period_ns
        return rounds * len(self._stamps_ns) + bisect_left(self._stamps_ns, rest_ns)

    def apply(self, packet: Packet) -> None:
        """Set the due time to the opportunity of the packet's last byte."""
        if self._origin_ns is None:
            self._origin_ns = packet.arrived_ns
        ready_ns = packet.due_ns - self._origin_ns
        if not self._left_bytes or self._time_ns(self._current) < ready_ns:
            self._current = max(self._current + 1, self._first_at(ready_ns))
            self._left_bytes = OPPORTUNITY_BYTES
        missing = packet.wire_bytes - self._left_bytes
        further = max(0, -(-missing // OPPORTUNITY_BYTES))
        self._current += further
        self._left_bytes = further * OPPORTUNITY_BYTES - missing
        packet.due_ns = self._origin_ns + self._time_ns(self._current)
