"""The pipeline: frames and `now_ns` in, frames due out. No clock, no socket, no thread.

Time never runs backwards between calls. A plain delay takes a short path; everything else goes through the stages.
"""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from netem.pipeline.frame import is_neighbour_discovery, matches, wire_bytes
from netem.pipeline.packet import NEVER_NS, Entry, Frame, Packet
from netem.pipeline.plain import plain
from netem.pipeline.queue import TimeQueue
from netem.pipeline.registry import ADMISSION, ENTRY, STAGES, TIMING
from netem.pipeline.slot import SlotGate
from netem.pipeline.stage import Build, Resources, Stage
from netem.pipeline.statistics import Counters, DelayRecorder, Statistics
from netem.spec.kernel import limit_packets
from netem.spec.model import Impairment

_IPV4_HIGH_BYTE = 0x08
_IPV4_LOW_BYTE = 0x00
_NO_RESOURCES = Resources()


def wants_segments(impairment: Impairment) -> bool:
    """Whether frames must come one per wire segment: the device layer then announces no segmentation offload.

    Asked for with `per-segment`, and needed by `corrupt`: whoever cuts a super-packet later renews its checksums.
    """
    return impairment.extension.per_segment or impairment.corrupt is not None


class Pipeline:
    """One direction of a link.

    `frame_start` is the length of the virtio_net_hdr in front of each frame (0 for bare Ethernet, 10 or 12 from a TAP);
    it stays in front of the frame, is returned with it, and tells the size of super-packets on the wire.
    """

    def __init__(
        self, impairment: Impairment, seed: int = 0, *, frame_start: int = 0, resources: Resources = _NO_RESOURCES
    ) -> None:
        """Build the stages; raise SpecError if a table or a trace is missing."""
        self._seed = seed
        self._start = frame_start
        self._queue = TimeQueue()
        self._passes = False
        """Whether frames that nothing may impair wait to be popped."""
        self._reset(impairment, resources)

    def _reset(self, impairment: Impairment, resources: Resources) -> None:
        self._rngs: dict[str, Random] = {}
        self._parts: dict[str, object] = {}
        self._stages: dict[str, Stage] = {}
        self._gate: SlotGate | None = None
        self._counters = Counters()
        self._delays = DelayRecorder()
        self._compile(impairment, resources)

    def _compile(self, impairment: Impairment, resources: Resources) -> None:
        """Build what is new, keep what is unchanged, forget the rest."""
        stages: dict[str, Stage] = {}
        parts: dict[str, object] = {}
        rngs = {} if impairment.seed != self._parts.get("seed", impairment.seed) else self._rngs
        for name, kind in STAGES.items():
            part = kind.part(impairment)
            if part is None:
                continue
            kept = self._stages.get(name) if rngs is self._rngs and self._parts.get(name) == part else None
            stages[name] = kept or kind.build(self._build(name, impairment, resources, rngs))
            parts[name] = part
        gate = self._gate if rngs is self._rngs and self._parts.get("slot") == impairment.slot else None
        if impairment.slot is not None:
            gate = gate or SlotGate(self._build("slot", impairment, resources, rngs))
        parts.update(slot=impairment.slot, seed=impairment.seed)
        self._impairment, self._resources = impairment, resources
        self._stages, self._parts, self._rngs, self._gate = stages, parts, rngs, gate
        self._arrange(impairment)

    def _build(self, name: str, impairment: Impairment, resources: Resources, rngs: dict[str, Random]) -> Build:
        seed = self._seed if impairment.seed is None else impairment.seed
        rng = rngs.setdefault(name, Random(f"{seed}/{name}"))  # noqa: S311 - repeatable on purpose
        return Build(impairment, rng, self._counters, self._queue, resources, self._start)

    def _arrange(self, impairment: Impairment) -> None:
        stages = self._stages
        self._admission = [stages[name] for name in ADMISSION if name in stages]
        self._copy_admission = [stages[n] for n in ADMISSION if n in stages and not STAGES[n].originals_only]
        self._entry = [stages[name] for name in ENTRY if name in stages]
        self._timing = [stages[name] for name in TIMING if name in stages]
        self._filter = impairment.extension.filter
        self._exempts_nd = not impairment.extension.impair_nd
        simple = plain(impairment)
        self._fixed_delay_ns = None if simple is None else simple.delay_ns
        self._limit_packets = limit_packets(impairment)

    def push(self, frame: Frame, now_ns: int) -> None:
        """Take a frame that arrives now; it is kept as it is, so its memory must not be reused before it is popped."""
        start = self._start
        size = len(frame)
        counters = self._counters
        counters.packets_in += 1
        if start and size > start and frame[1]:
            size = wire_bytes(frame, start)
        else:
            size -= start
        counters.bytes_in += size
        plain_ipv4 = size > 13 and frame[start + 12] == _IPV4_HIGH_BYTE and frame[start + 13] == _IPV4_LOW_BYTE
        if self._exempts_nd and not plain_ipv4 and is_neighbour_discovery(frame, start):
            self._pass(frame, size, now_ns)
            return
        delay_ns = self._fixed_delay_ns
        if delay_ns is None or len(self._queue.line) >= self._limit_packets or self._queue.heap:
            self._push_staged(frame, size, now_ns)
            return
        due_ns = now_ns + delay_ns
        if delay_ns:
            counters.delayed += 1
        line = self._queue.line
        if line and due_ns < line[-1][0]:
            self._queue.add((due_ns, now_ns, size, frame))
        else:
            line.append((due_ns, now_ns, size, frame))

    def _pass(self, frame: Frame, size: int, now_ns: int) -> None:
        self._counters.exempt += 1
        self._passes = True
        self._queue.ready.append((now_ns, NEVER_NS, size, frame))

    def _push_staged(self, frame: Frame, size: int, now_ns: int) -> None:
        if self._filter is not None and not matches(frame, self._start, self._filter):
            self._pass(frame, size, now_ns)
            return
        if self._gate is not None:
            self._gate.advance(self._queue, now_ns)
        packet = Packet(frame, size, now_ns)
        for stage in self._admission:
            stage.apply(packet)
        self._enter(packet)

    def _enter(self, packet: Packet) -> None:
        """Go on with what was admitted: the copy enters before the original, as in the kernel."""
        admitted = packet.frame
        doubled = packet.copies > 1
        if packet.copies > 0:
            for stage in self._entry:
                stage.apply(packet)
        if packet.copies <= 0:
            self._lose(packet)
            return
        if doubled:
            self._counters.duplicated += 1
            copy = Packet(admitted, packet.wire_bytes, packet.arrived_ns)
            for stage in self._copy_admission:
                stage.apply(copy)
            self._enter(copy)
        self._schedule(packet)

    def _lose(self, packet: Packet) -> None:
        name = packet.dropped_by or "dropped_loss"
        setattr(self._counters, name, getattr(self._counters, name) + 1)

    def _schedule(self, packet: Packet) -> None:
        queue = self._queue
        for stage in self._timing:
            stage.apply(packet)
            if packet.overtakes:
                break
        # without slots a time in the past means now; clamped, so that it does not depend on what was collected
        due_ns = packet.due_ns if self._gate is not None else max(packet.due_ns, packet.arrived_ns)
        entry: Entry = (due_ns, packet.arrived_ns, packet.wire_bytes, packet.frame)
        if packet.overtakes:
            if self._gate is None:
                queue.release(packet.arrived_ns)
            queue.ready.append(entry)
            return
        queue.add(entry)
        self._counters.queue_packets_max = max(self._counters.queue_packets_max, len(queue))
        if self._gate is not None:
            self._gate.arrived(queue, packet.arrived_ns)

    def pop_due(self, now_ns: int) -> list[Frame]:
        """Return the frames due by now, in the order in which they leave."""
        queue = self._queue
        self._counters.queue_packets_max = max(self._counters.queue_packets_max, len(queue))
        if self._gate is not None:
            self._gate.advance(queue, now_ns)
        else:
            queue.release(now_ns)
        ready = queue.ready
        if not ready:
            return []
        entries = list(ready)
        ready.clear()
        self._counters.packets_out += len(entries)
        impaired = entries
        if self._passes:
            self._passes = False
            impaired = [entry for entry in entries if entry[1] != NEVER_NS]
        if impaired:
            self._delays.record_batch(now_ns, impaired)
        return [entry[3] for entry in entries]

    def next_due_ns(self) -> int | None:
        """Return when to pop next, None if nothing waits; a time in the past means at once."""
        queue = self._queue
        if queue.ready:
            return queue.ready[0][0]
        if self._gate is not None:
            return self._gate.next_due_ns(queue)
        head = queue.head()
        return None if head is None else head[0]

    def change(self, impairment: Impairment, now_ns: int, *, resources: Resources | None = None) -> None:
        """Put another impairment in place from now on; what is queued keeps its times.

        The whole impairment is replaced: nothing persists because it was not named. Stages that it leaves unchanged
        keep their state and their draws. Raises SpecError before anything changes if a table or a trace is missing.
        """
        self._compile(impairment, self._resources if resources is None else resources)
        if self._gate is not None:
            self._gate.arrived(self._queue, now_ns)

    def restart(self) -> None:
        """Begin anew, as if just built, but keep what is queued: draws, packet numbers, times and statistics.

        For the moment between the probing of the link and the traffic to be measured.
        """
        self._reset(self._impairment, self._resources)

    def flush(self) -> Iterable[Frame]:
        """Return everything that waits, in order, and forget it."""
        queue = self._queue
        frames = [entry[3] for entry in queue.ready]
        queue.ready.clear()
        while len(queue):
            frames.append(queue.take()[3])
        return frames

    def hand_over(self) -> list[Entry]:
        """Return what waits with its times, in order, and forget it: another data path goes on with it."""
        queue = self._queue
        entries = [*queue.ready, *(queue.take() for _ in range(len(queue)))]
        queue.ready.clear()
        self._passes = False
        return entries

    def take_over(self, entries: Iterable[Entry]) -> None:
        """Go on with what another data path held."""
        for entry in entries:
            if entry[1] == NEVER_NS:
                self._passes = True
                self._queue.ready.append(entry)
            else:
                self._queue.add(entry)

    @property
    def counters(self) -> Counters:
        """The counters themselves, for a data path that goes on counting."""
        return self._counters

    @property
    def delays(self) -> DelayRecorder:
        """The recorder itself, for a data path that goes on recording."""
        return self._delays

    def stats(self) -> Statistics:
        """Return a snapshot of the counters and the realised delay."""
        queued = len(self._queue) + len(self._queue.ready)
        return Statistics(replace(self._counters), queued, self._delays.snapshot())
