"""Jitter without reordering (ours): nobody is due before somebody who came earlier."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import Build


class KeepOrder:
    """Hold a packet until the one before it is due."""

    def __init__(self, build: Build) -> None:
        self._last_due_ns = 0
        self._queue = build.queue

    def apply(self, packet: Packet) -> None:
        """Raise the due time to the latest one so far."""
        queued_ns = self._queue.last_due_ns()
        latest_ns = self._last_due_ns if queued_ns is None else max(self._last_due_ns, queued_ns)
        self._last_due_ns = packet.due_ns = max(packet.due_ns, latest_ns)
