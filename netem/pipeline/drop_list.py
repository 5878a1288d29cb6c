"""Drop exactly the packets with the listed numbers (an extension; like the drop lists of the QUIC interop runner)."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext


class DropListStage:
    """Number the packets that meet the impairment from 1, and drop the listed ones."""

    def __init__(self, context: StageContext) -> None:
        self._ranges = context.impairment.extension.drop_list
        self._next_range = 0
        self._number = 0

    def apply(self, packet: Packet) -> None:
        """Drop the packet if its number is listed; numbers only grow, so one range at a time is enough."""
        self._number += 1
        if self._next_range == len(self._ranges):
            return
        first, last = self._ranges[self._next_range]
        if self._number >= first:
            packet.copies = 0
            packet.dropped_by = "dropped_list"
        if self._number == last:
            self._next_range += 1
