"""Jitter without reordering (an extension): no packet is due before an earlier one."""

from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext, State


class KeepOrderStage:
    """Hold a packet until the one before it is due."""

    def __init__(self, context: StageContext) -> None:
        self._last_due_ns = 0
        self._queue = context.queue

    def apply(self, packet: Packet) -> None:
        """Raise the due time to the latest one so far."""
        queued_ns = self._queue.last_due_ns()
        latest_ns = self._last_due_ns if queued_ns is None else max(self._last_due_ns, queued_ns)
        self._last_due_ns = packet.due_ns = max(packet.due_ns, latest_ns)

    def export_state(self) -> State:
        """Return the last due time."""
        return {"last_due_ns": self._last_due_ns}

    def import_state(self, state: State) -> None:
        """Continue from the last due time."""
        self._last_due_ns = state["last_due_ns"]
