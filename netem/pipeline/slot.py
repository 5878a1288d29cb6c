"""Slots: packets are sent only in bursts. `sch_netem.c get_slot_next` and `netem_dequeue`.

The kernel draws when it tries to dequeue: when a packet arrives, and when its timer fires. The gate simulates both at
their ideal times, so that the draws depend on the arrivals alone and not on the caller's timing.
"""

from netem.pipeline.delay import offsets
from netem.pipeline.queue import TimeQueue
from netem.pipeline.stage import StageContext
from netem.spec.model import Slot

_UNBOUNDED = 2**31 - 1


class SlotGate:
    """Move packets from the queue to `ready` when a slot is open."""

    def __init__(self, context: StageContext) -> None:
        slot = context.impairment.slot or Slot()
        self._slot = slot
        self._bits = context.rng.getrandbits
        self._offsets = offsets(slot.distribution, slot.jitter_ns, context.resources)
        self._max_packets = slot.max_packets or _UNBOUNDED
        self._max_bytes = slot.max_bytes or _UNBOUNDED
        self._packets_left = self._max_packets
        self._bytes_left = self._max_bytes
        self._opens_ns = -1  # before any arrival, so the first packet draws a slot
        self._wakes_ns = 0

    def _draw_interval_ns(self) -> int:
        slot, drawn = self._slot, self._bits(32)
        if slot.distribution is None:
            return slot.min_ns + ((slot.max_ns - slot.min_ns) * drawn >> 32)
        if self._offsets is None:
            return slot.delay_ns - slot.jitter_ns + drawn % (2 * slot.jitter_ns)
        return slot.delay_ns + self._offsets[drawn % len(self._offsets)]

    def _next_slot(self, now_ns: int) -> None:
        self._opens_ns = now_ns + self._draw_interval_ns()
        self._packets_left = self._max_packets
        self._bytes_left = self._max_bytes

    def _attempt(self, queue: TimeQueue, now_ns: int) -> None:
        """Dequeue until the head or its slot is not due."""
        head = queue.head()
        while head is not None:
            if self._opens_ns < head[0]:
                self._next_slot(now_ns)
            if head[0] > now_ns or self._opens_ns > now_ns:
                self._wakes_ns = max(head[0], self._opens_ns)
                return
            queue.pop_at(now_ns)
            self._packets_left -= 1
            self._bytes_left -= head[2]
            if self._packets_left <= 0 or self._bytes_left <= 0:
                self._next_slot(now_ns)
            head = queue.head()

    def arrived(self, queue: TimeQueue, now_ns: int) -> None:
        """Try to dequeue because a packet arrived."""
        self._attempt(queue, now_ns)

    def advance(self, queue: TimeQueue, now_ns: int) -> None:
        """Fire every timer that is due by now, each at its own time."""
        while len(queue) and self._wakes_ns <= now_ns:
            self._attempt(queue, self._wakes_ns)

    def next_due_ns(self, queue: TimeQueue) -> int | None:
        """Return when the timer fires next."""
        return self._wakes_ns if len(queue) else None
