"""The user-space link, pure: frames and `now_ns` in, frames due out.

    pipeline = Pipeline(impairment, seed, frame_start=10, resources=Resources(tables={}, traces={}))
    pipeline.push(frame, now_ns)         # the buffer from the TAP, virtio_net_hdr (frame_start bytes) in front
    for frame in pipeline.pop_due(now_ns):  # list of buffers to send, each with its header; the same objects unless
        send(frame)                         # an impairment changed them
    pipeline.next_due_ns()               # absolute ns of the next pop, None if the queue is empty; in the past: at once
    pipeline.change(impairment, now_ns)  # queued packets keep their times; an empty impairment lets them drain
    pipeline.restart()                   # after the probes: reset draws, packet numbers, blackholes, statistics
    pipeline.stats().as_dict()           # counters per impairment, packets_queued, delay_ns {packets, min, p50, p99,
                                         # max}, lateness_ns {packets, p50, p99, max}
    pipeline.drain()                     # all queued frames, now

Another data path replaces a pipeline while `is_portable(impairment)`. It takes over `exempts_nd`, the numbers of
`portable_stages`, `export_queue()`, `counters`, `delays` and `lateness`, and returns them before anyone uses the
pipeline again: the stages' state by `import_state`, the queue by `import_queue`.

Call `pop_due` after a batch of `push`: frames that are exempt (ARP, neighbour discovery, not matched by the filter) or
not delayed are due at once. `now_ns` is any clock that does not run backwards. The pipeline owns the memory of a
frame until it is popped. `wants_segments(impairment)` is true when the TAP must not announce segmentation offload. The
same seed and arrivals give the same result for every packet, however late the pops are.
"""

from netem.pipeline.delay import DelayStage
from netem.pipeline.lateness import BUCKETS as LATENESS_BUCKETS
from netem.pipeline.lateness import Lateness
from netem.pipeline.packet import Entry, Frame
from netem.pipeline.pipeline import Pipeline, wants_segments
from netem.pipeline.portable import is_portable
from netem.pipeline.stage import PortableStage, Resources, State
from netem.pipeline.statistics import Counters, EngineDelay, Statistics

__all__ = [
    "LATENESS_BUCKETS",
    "Counters",
    "DelayStage",
    "EngineDelay",
    "Entry",
    "Frame",
    "Lateness",
    "Pipeline",
    "PortableStage",
    "Resources",
    "State",
    "Statistics",
    "is_portable",
    "wants_segments",
]
