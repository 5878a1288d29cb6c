"""Lose exactly the packets that are listed by number (ours; as the drop lists of the QUIC interop runner)."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build


class DropList:
    """Count the packets that meet the impairment, from 1, and lose the listed ones."""

    def __init__(self, build: Build) -> None:
        self._ranges = build.impairment.extension.drop_list
        self._next_range = 0
        self._number = 0

    def apply(self, packet: Packet) -> None:
        """Lose the packet if its number is listed; the numbers only grow, so one range is looked at."""
        self._number += 1
        if self._next_range == len(self._ranges):
            return
        first, last = self._ranges[self._next_range]
        if self._number >= first:
            packet.copies = 0
            packet.dropped_by = "dropped_list"
        if self._number == last:
            self._next_range += 1
