"""The user-space link, pure: frames and `now_ns` in, frames due out.

    pipeline = Pipeline(impairment, seed, frame_start=10, resources=Resources(tables={}, traces={}))
    pipeline.push(frame, now_ns)         # the buffer as read from the TAP, virtio_net_hdr (frame_start bytes) in front
    for frame in pipeline.pop_due(now_ns):  # list of buffers to send, each with its header; the same objects unless
        send(frame)                         # an impairment changed them
    pipeline.next_due_ns()               # absolute ns of the next pop, None if nothing waits, in the past = at once
    pipeline.change(impairment, now_ns)  # in place; what is queued keeps its times, an empty impairment lets it drain
    pipeline.restart()                   # after probing: seeds, packet numbers, blackholes, statistics begin anew
    pipeline.stats().as_dict()           # counters per impairment, packets_queued, delay_ns {min, p50, p99, max}
    pipeline.flush()                     # everything that waits, now
    plain(impairment)                    # what a simpler data path may do in a pipeline's stead, None when it may not

Call `pop_due` after a batch of `push`: frames that are exempt (ARP, neighbour discovery, not matched by the filter) or
not delayed are due at once. `now_ns` is any clock that does not run backwards. A frame's memory belongs to the pipeline
until it is popped. `wants_segments(impairment)` tells the device layer to announce no segmentation offload on the TAP.
Same seed, same arrivals: same fate of every packet, however late the pops are.
"""

from netem.pipeline.packet import Entry, Frame
from netem.pipeline.pipeline import Pipeline, wants_segments
from netem.pipeline.plain import Plain, plain
from netem.pipeline.stage import Resources
from netem.pipeline.statistics import Counters, RealisedDelay, Statistics

__all__ = [
    "Counters",
    "Entry",
    "Frame",
    "Pipeline",
    "Plain",
    "RealisedDelay",
    "Resources",
    "Statistics",
    "plain",
    "wants_segments",
]
