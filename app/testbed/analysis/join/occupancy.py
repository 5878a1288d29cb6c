"""What occupies the receive window: bytes that the receiver's program has not read, or bytes in flight.

A sender that waits for window waits for two things at once. A part of the window is occupied by bytes that have arrived
and are unread in the receiver's queue: that part waits for the reader. The rest is free for the receiver, and
waits for the path: the permission is on its way to the sender, or the data on its way back. A closed window has no
free part. The average of the parts is the share of the waiting that the reader causes (Little's law).
"""

import numpy as np

from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import ABSENT, Int64
from testbed.analysis.packets.flags import RST, SYN
from testbed.analysis.packets.model import NONE, Frames


def unread_share(observation: Observation) -> float | None:
    """Return the reader's share of the time in which the window kept the sender from sending; None if not known.

    It needs the receiver's own capture, with the window scale, and its log of reads or samples of its queue.
    """
    end, weights = observation.receiver, _waits(observation)
    if end.connection is None or observation.one_capture or weights is None:
        return None
    frames = end.connection.frames
    keep = (frames.tcp_flags & (SYN | RST)) == 0
    frames = frames.take(keep)
    if not len(frames) or (frames.right_edge_bytes[~observation.from_sender(frames)] == NONE).all():
        return None
    at_ns = observation.at_ns(frames)
    arrived, edge = _arrived(observation, frames), _edge(observation, frames)
    changes = _queue(end, at_ns, arrived)
    if changes is None:
        return None
    times, unread = changes
    before = np.searchsorted(at_ns, times, side="right") - 1
    free = np.where(before >= 0, np.maximum(edge[before] - arrived[before], 0), 0)
    share = np.where(before < 0, 0.0, np.where(free == 0, 1.0, unread / np.maximum(unread + free, 1)))
    return _weighted(times, share, *weights)


def _waits(observation: Observation) -> tuple[Int64, Int64] | None:
    """Return times of the sender's samples and for how long, up to each, it had waited for window."""
    samples = observation.sender.samples
    if samples is None:
        return None
    limited = samples.column("rwnd_limited")
    known = limited != ABSENT
    return (samples.at_ns[known], limited[known]) if known.sum() > 1 else None


def _arrived(observation: Observation, frames: Frames) -> Int64:
    """Return, at each frame, up to where all bytes had arrived: nothing after a gap can be read or acknowledged."""
    sent = observation.from_sender(frames)
    ends = np.where(sent, frames.relative_seq_bytes + frames.payload_bytes, 0)
    acks = np.where(sent, np.iinfo(np.int64).max, frames.relative_ack_bytes)
    following = np.minimum.accumulate(acks[::-1])[::-1]
    arrived: Int64 = np.maximum.accumulate(np.minimum(np.maximum.accumulate(ends), following))
    return arrived


def _edge(observation: Observation, frames: Frames) -> Int64:
    """Return, at each frame, up to where the receiver has allowed the sender to send."""
    edges = np.where(observation.from_sender(frames), 0, np.maximum(frames.right_edge_bytes, 0))
    last = np.maximum.accumulate(np.where(edges > 0, np.arange(len(frames)), 0))
    edge: Int64 = edges[last]
    return edge


def _queue(end: End, at_ns: Int64, arrived: Int64) -> tuple[Int64, Int64] | None:
    """Return times, and the bytes that are unread from each of them on."""
    reads = end.calls("read")
    if reads is not None:
        times = np.union1d(at_ns, reads.end_ns)
        before = np.maximum(np.searchsorted(at_ns, times, side="right") - 1, 0)
        # Sequence number 0 is the SYN's.
        return times, np.maximum(arrived[before] - 1 - reads.done_at(times), 0)
    if end.samples is None:
        return None
    queue = end.samples.column("receive_queue_bytes")
    known = queue != ABSENT
    return (end.samples.at_ns[known], queue[known]) if known.any() else None


def _weighted(times: Int64, share: np.ndarray, at_ns: Int64, waited: Int64) -> float | None:
    """Return the mean share, each stretch between two samples weighted by how long the sender waited in it."""
    if len(times) < 2:
        return None
    area = np.concatenate(([0.0], np.cumsum(share[:-1] * np.diff(times))))
    mean = np.diff(np.interp(at_ns, times, area)) / np.maximum(np.diff(at_ns), 1)
    weights = np.maximum(np.diff(waited), 0)
    total = int(weights.sum())
    return float(np.clip((mean * weights).sum() / total, 0, 1)) if total else None
