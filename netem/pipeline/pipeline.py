"""The pipeline: frames and `now_ns` in, frames due out. No clock, no socket, no thread.

`now_ns` never decreases between calls. A fixed delay takes a fast path; everything else goes through the stages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import cast

from netem.pipeline.frame import is_neighbour_discovery, matches, wire_bytes
from netem.pipeline.lateness import LatenessHistogram
from netem.pipeline.packet import EXEMPT, Entry, Frame, Packet
from netem.pipeline.queue import TimeQueue
from netem.pipeline.registry import ADMISSION, ENTRY, STAGES, TIMING
from netem.pipeline.slot import SlotGate
from netem.pipeline.stage import PortableStage, Resources, Stage, StageContext
from netem.pipeline.statistics import Counters, DelayRecorder, Statistics
from netem.spec.kernel import limit_packets
from netem.spec.model import Delay, Impairment

_IPV4_HIGH_BYTE = 0x08
_IPV4_LOW_BYTE = 0x00
_FIXED = frozenset({"delay", "limit"})
_NO_RESOURCES = Resources()


def wants_segments(impairment: Impairment) -> bool:
    """Return whether frames must be single wire segments: the device layer then announces no segmentation offload.

    `per-segment` requests it. `corrupt` needs it, because segmenting a super-packet later would renew its checksums.
    """
    return impairment.extension.per_segment or impairment.corrupt is not None


class Pipeline:
    """One direction of a link.

    `frame_start` is the length of the virtio_net_hdr in front of each frame (0 for bare Ethernet, 10 or 12 from a TAP);
    it stays in front of the frame and gives the size of super-packets on the wire.
    """

    def __init__(
        self, impairment: Impairment, seed: int = 0, *, frame_start: int = 0, resources: Resources = _NO_RESOURCES
    ) -> None:
        """Build the stages; raise SpecError if a table or a trace is missing."""
        self._seed = seed
        self._start = frame_start
        self._queue = TimeQueue()
        self._has_exempt = False
        """Whether exempt frames wait to be popped."""
        self._reset(impairment, resources)

    def _reset(self, impairment: Impairment, resources: Resources) -> None:
        self._rngs: dict[str, Random] = {}
        self._configs: dict[str, object] = {}
        self._stages: dict[str, Stage] = {}
        self._gate: SlotGate | None = None
        self._counters = Counters()
        self._delays = DelayRecorder()
        self._lateness = LatenessHistogram()
        self._compile(impairment, resources)

    def _compile(self, impairment: Impairment, resources: Resources) -> None:
        """Build the stages that are new or changed, keep the unchanged ones, discard the others."""
        stages: dict[str, Stage] = {}
        configs: dict[str, object] = {}
        rngs = {} if impairment.seed != self._configs.get("seed", impairment.seed) else self._rngs
        for name, spec in STAGES.items():
            config = spec.config(impairment)
            if config is None:
                continue
            kept = self._stages.get(name) if rngs is self._rngs and self._configs.get(name) == config else None
            stages[name] = kept or spec.build(self._context(name, impairment, resources, rngs))
            configs[name] = config
        gate = self._gate if rngs is self._rngs and self._configs.get("slot") == impairment.slot else None
        if impairment.slot is not None:
            gate = gate or SlotGate(self._context("slot", impairment, resources, rngs))
        configs.update(slot=impairment.slot, seed=impairment.seed)
        self._impairment, self._resources = impairment, resources
        self._stages, self._configs, self._rngs, self._gate = stages, configs, rngs, gate
        self._arrange(impairment)

    def _context(
        self, name: str, impairment: Impairment, resources: Resources, rngs: dict[str, Random]
    ) -> StageContext:
        seed = self._seed if impairment.seed is None else impairment.seed
        rng = rngs.setdefault(name, Random(f"{seed}/{name}"))  # noqa: S311 - repeatable on purpose
        return StageContext(impairment, rng, self._counters, self._queue, resources, self._start)

    def _arrange(self, impairment: Impairment) -> None:
        stages = self._stages
        self._admission = [stages[name] for name in ADMISSION if name in stages]
        self._copy_admission = [stages[n] for n in ADMISSION if n in stages and not STAGES[n].originals_only]
        self._entry = [stages[name] for name in ENTRY if name in stages]
        self._timing = [stages[name] for name in TIMING if name in stages]
        self._filter = impairment.extension.filter
        self._exempts_nd = not impairment.extension.impair_nd
        self._fixed_delay_ns = self._fixed_delay_of(impairment)
        self._limit_packets = limit_packets(impairment)

    def _fixed_delay_of(self, impairment: Impairment) -> int | None:
        """Return the delay that is all there is to do, apart from the limit, None if there is more."""
        delay = impairment.delay or Delay(0)
        if self._gate is not None or self._filter is not None or delay.jitter_ns or not set(self._stages) <= _FIXED:
            return None
        return delay.delay_ns

    def push(self, frame: Frame, now_ns: int) -> None:
        """Add a frame that arrives now; it is not copied, so its memory must not be reused before it is popped."""
        start = self._start
        size = len(frame)
        counters = self._counters
        counters.packets_in += 1
        if start and size > start and frame[1]:
            size = wire_bytes(frame, start)
        else:
            size -= start
        counters.bytes_in += size
        untagged_ipv4 = size > 13 and frame[start + 12] == _IPV4_HIGH_BYTE and frame[start + 13] == _IPV4_LOW_BYTE
        if self._exempts_nd and not untagged_ipv4 and is_neighbour_discovery(frame, start):
            self._push_exempt(frame, size, now_ns)
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

    def _push_exempt(self, frame: Frame, size: int, now_ns: int) -> None:
        self._counters.exempt += 1
        self._has_exempt = True
        self._queue.ready.append((now_ns, EXEMPT, size, frame))

    def _push_staged(self, frame: Frame, size: int, now_ns: int) -> None:
        self._note_queue_length()  # a stage may release packets that no pop has seen
        if self._filter is not None and not matches(frame, self._start, self._filter):
            self._push_exempt(frame, size, now_ns)
            return
        if self._gate is not None:
            self._gate.advance(self._queue, now_ns)
        packet = Packet(frame, size, now_ns)
        for stage in self._admission:
            stage.apply(packet)
        self._enter(packet)

    def _enter(self, packet: Packet) -> None:
        """Pass an admitted packet to the ENTRY stages; its copy enters first, as in the kernel."""
        admitted = packet.frame
        doubled = packet.copies > 1
        if packet.copies > 0:
            for stage in self._entry:
                stage.apply(packet)
        if packet.copies <= 0:
            self._drop(packet)
            return
        if doubled:
            self._counters.duplicated += 1
            copy = Packet(admitted, packet.wire_bytes, packet.arrived_ns)
            for stage in self._copy_admission:
                stage.apply(copy)
            self._enter(copy)
        self._schedule(packet)

    def _drop(self, packet: Packet) -> None:
        name = packet.dropped_by or "dropped_loss"
        setattr(self._counters, name, getattr(self._counters, name) + 1)

    def _schedule(self, packet: Packet) -> None:
        queue = self._queue
        for stage in self._timing:
            stage.apply(packet)
            if packet.overtakes:
                break
        # without slots a time in the past means now; clamp it, so that it does not depend on what was popped
        due_ns = packet.due_ns if self._gate is not None else max(packet.due_ns, packet.arrived_ns)
        entry: Entry = (due_ns, packet.arrived_ns, packet.wire_bytes, packet.frame)
        if packet.overtakes:
            if self._gate is None:
                queue.release(packet.arrived_ns)
            queue.ready.append(entry)
            return
        queue.add(entry)
        self._note_queue_length()
        if self._gate is not None:
            self._gate.arrived(queue, packet.arrived_ns)

    def pop_due(self, now_ns: int) -> list[Frame]:
        """Return the frames due by now, in order."""
        queue = self._queue
        self._note_queue_length()
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
        if self._has_exempt:
            self._has_exempt = False
            impaired = [entry for entry in entries if entry[1] != EXEMPT]
        if impaired:
            self._delays.record_batch(now_ns, impaired)
            self._lateness.record_batch(now_ns, impaired)
        return [entry[3] for entry in entries]

    def _note_queue_length(self) -> None:
        self._counters.queue_packets_max = max(self._counters.queue_packets_max, len(self._queue))

    def next_due_ns(self) -> int | None:
        """Return when to pop next, None if the queue is empty; a time in the past means at once."""
        queue = self._queue
        if queue.ready:
            return queue.ready[0][0]
        if self._gate is not None:
            return self._gate.next_due_ns(queue)
        head = queue.head()
        return None if head is None else head[0]

    def change(self, impairment: Impairment, now_ns: int, *, resources: Resources | None = None) -> None:
        """Replace the impairment from now on; queued packets keep their times.

        The new impairment replaces the old one completely. Stages whose configuration is unchanged keep their state
        and their draws. Raises SpecError before anything changes if a table or a trace is missing.
        """
        had_slots = self._gate is not None
        self._compile(impairment, self._resources if resources is None else resources)
        if self._gate is not None:
            self._gate.arrived(self._queue, now_ns)
        elif had_slots:
            self._queue.release_at(now_ns)

    def restart(self) -> None:
        """Reset draws, packet numbers, times and statistics, but keep the queued packets.

        Call it between the probes and the traffic to be measured.
        """
        self._reset(self._impairment, self._resources)

    def drain(self) -> Iterable[Frame]:
        """Remove and return all queued frames, in order."""
        queue = self._queue
        frames = [entry[3] for entry in queue.ready]
        queue.ready.clear()
        while len(queue):
            frames.append(queue.pop()[3])
        return frames

    def export_queue(self) -> tuple[list[Entry], list[Entry]]:
        """Remove and return the entries that are ready to be popped and those that are queued, each in order."""
        self._note_queue_length()
        queue = self._queue
        ready, queued = list(queue.ready), [queue.pop() for _ in range(len(queue))]
        queue.ready.clear()
        self._has_exempt = False
        return ready, queued

    def import_queue(self, ready: Iterable[Entry], queued: Iterable[Entry]) -> None:
        """Add the entries that another data path exported."""
        self._queue.ready.extend(ready)
        self._has_exempt = any(entry[1] == EXEMPT for entry in self._queue.ready)
        for entry in queued:
            self._queue.add(entry)

    @property
    def exempts_nd(self) -> bool:
        """Whether neighbour discovery is exempt."""
        return self._exempts_nd

    @property
    def portable_stages(self) -> Mapping[str, PortableStage]:
        """The stages by name, for another data path to apply; only if the impairment is portable."""
        return cast("dict[str, PortableStage]", self._stages)

    @property
    def counters(self) -> Counters:
        """The live counters, for another data path to continue."""
        return self._counters

    @property
    def delays(self) -> DelayRecorder:
        """The live recorder, for another data path to continue."""
        return self._delays

    @property
    def lateness(self) -> LatenessHistogram:
        """The live histogram, for another data path to continue."""
        return self._lateness

    def stats(self) -> Statistics:
        """Return a snapshot of the counters, the delay in the engine and its lateness."""
        queued = len(self._queue) + len(self._queue.ready)
        return Statistics(replace(self._counters), queued, self._delays.snapshot(), self._lateness.snapshot())
