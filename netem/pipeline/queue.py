"""The time-ordered queue: what `tfifo` is to sch_netem.

A deque while the times do not decrease, a heap only for packets that are due before the last one. `ready` holds
packets that left the queue in ideal time and were not popped yet, so that no decision depends on the caller's timing.
"""

from collections import deque
from heapq import heappop, heappush

from netem.pipeline.packet import Entry


class TimeQueue:
    """Packets by due time; equal times leave in order of arrival."""

    __slots__ = ("_heap_last_ns", "_sequence", "heap", "line", "ready")

    def __init__(self) -> None:
        self.line: deque[Entry] = deque()
        self.heap: list[tuple[int, int, Entry]] = []
        self.ready: deque[Entry] = deque()
        self._sequence = 0
        self._heap_last_ns = 0

    def __len__(self) -> int:
        return len(self.line) + len(self.heap)

    def add(self, entry: Entry) -> None:
        """Insert by due time."""
        line = self.line
        if not line or entry[0] >= line[-1][0]:
            line.append(entry)
            return
        self._heap_last_ns = max(self._heap_last_ns, entry[0]) if self.heap else entry[0]
        self._sequence += 1
        heappush(self.heap, (entry[0], self._sequence, entry))

    def head(self) -> Entry | None:
        """Return the packet due first, None if the queue is empty."""
        heap, line = self.heap, self.line
        if heap and (not line or heap[0][0] < line[0][0]):
            return heap[0][2]
        return line[0] if line else None

    def pop(self) -> Entry:
        """Remove and return the packet due first."""
        heap, line = self.heap, self.line
        if heap and (not line or heap[0][0] < line[0][0]):
            return heappop(heap)[2]
        return line.popleft()

    def pop_at(self, now_ns: int) -> None:
        """Move the packet due first to `ready`, due now: what held it longer was an impairment, not the engine."""
        _, arrived_ns, wire_bytes, frame = self.pop()
        self.ready.append((now_ns, arrived_ns, wire_bytes, frame))

    def last_due_ns(self) -> int | None:
        """Return the latest due time in the queue."""
        if not self.heap:
            return self.line[-1][0] if self.line else None
        return max(self._heap_last_ns, self.line[-1][0]) if self.line else self._heap_last_ns

    def release(self, now_ns: int) -> None:
        """Move the packets that are due to `ready`."""
        line, heap, ready = self.line, self.heap, self.ready
        if not heap:
            while line and line[0][0] <= now_ns:
                ready.append(line.popleft())
            return
        head = self.head()
        while head is not None and head[0] <= now_ns:
            ready.append(self.pop())
            head = self.head()

    def release_at(self, now_ns: int) -> None:
        """Move the packets that are due to `ready`, due now: the slots that held some of them have ended."""
        head = self.head()
        while head is not None and head[0] <= now_ns:
            self.pop_at(now_ns)
            head = self.head()
