"""Segmentation: how writes were coalesced or split into frames and segments, and why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import Calls
from testbed.analysis.findings.evidence import calls, frames
from testbed.analysis.findings.limits import Limit, find_limits
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import NO_SENDER_FRAMES, Answer, NoLog, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.flags import RETRANSMISSIONS
from testbed.analysis.packets.model import Connection, Frames

NOTICEABLE: Final = 1.25
"""A ratio between writes and segments nearer to one than this needs no reason."""
CLOSED_SHARE: Final = 0.2
WHOLE_SHARE: Final = 0.8
"""A capture that shows less of the data than this counts too few frames; what was lost before it is little."""


class SegmentationCause(StrEnum):
    """Why writes and segments do not correspond one to one."""

    WINDOW_CLOSED = "window closed"
    """Coalesced: the data waited in the send buffer for a closed window."""
    SENDER_WAITED = "sender waited"
    """Coalesced: it waited for acknowledgements or window."""
    FAST_WRITES = "fast writes"
    """Coalesced: writes came faster than the kernel sends, with TCP_NODELAY."""
    NAGLE = "nagle"
    """Coalesced: Nagle's algorithm (RFC 9293, 3.7.4) held small segments back."""
    SEGMENT_SIZE = "segment size"
    """Split: a write is larger than a segment."""
    LITTLE_ROOM = "little room"
    """Split: the window or the send buffer had room for a part only."""


@dataclass(frozen=True, slots=True)
class Segmentation(Fact):
    """How many writes went out in how many frames and segments; a captured frame may stand for several segments.

    `closed_share` is how much of the time of sending the window was closed; `mss_bytes` the payload of one segment.
    """

    writes: int
    frames: int
    segments: int
    writes_per_frame: float
    writes_per_segment: float
    write_median_bytes: int
    frame_median_bytes: int
    frame_max_bytes: int
    segment_mean_bytes: float
    cause: SegmentationCause
    closed_share: float
    mss_bytes: int | None


@dataclass(frozen=True, slots=True)
class OneToOne(Fact):
    """Writes and segments correspond."""

    writes: int
    segments: int


def measure(observation: Observation) -> Answer:
    """Measure how writes and segments correspond."""
    writes, end = observation.sender.calls("write"), observation.wire()
    if writes is None:
        return unobservable(NoLog(observation.sender.role))
    if end is None or end.connection is None:
        return unobservable(NO_SENDER_FRAMES)
    marked = end.connection.frames
    data = observation.from_sender(marked) & (marked.payload_bytes > 0) & ~marked.having(RETRANSMISSIONS)
    if not data.any():
        return not_applicable("no frame with data was captured")
    if _lacks_frames(marked, data):
        return unobservable("the sender's capture lacks frames with data, so their number shows nothing")
    fact = _fact(observation, writes, end.connection, data)
    ratio = fact.writes / fact.segments
    if 1 / NOTICEABLE < ratio < NOTICEABLE:
        return not_applicable(OneToOne(fact.writes, fact.segments))
    return Measured(
        fact,
        evidence=[
            *frames(end, data, "the sender's frames with data", "tcp.len > 0"),
            *calls(observation.sender, writes, np.ones(len(writes), np.bool_), "the writes"),
        ],
        strength=round((0.4 if ratio > 1 else 0.15) * (1 - min(ratio, 1 / ratio)), 3),
    )


def _lacks_frames(marked: Frames, data: NDArray[np.bool_]) -> bool:
    """Return whether there is much less data in the capture than its sequence numbers span."""
    first = marked.relative_seq_bytes[data]
    payload = marked.payload_bytes[data].astype(np.int64)
    span = int((first + payload).max() - first.min())
    return int(payload.sum()) < WHOLE_SHARE * span


def _fact(observation: Observation, writes: Calls, connection: Connection, data: NDArray[np.bool_]) -> Segmentation:
    payload = connection.frames.payload_bytes[data].astype(np.int64)
    wire = connection.segments()[data]
    segments = int(wire.sum()) if (wire > 0).all() else len(payload)
    closed_share = observation.closed_ns / 1e9 / (observation.sending_s or 1.0)
    median_bytes, mss_bytes = float(np.median(writes.size_bytes)), observation.mss_bytes
    if len(writes) > segments:
        cause = _coalesced(observation, closed_share)
    else:
        little = mss_bytes is not None and median_bytes <= mss_bytes
        cause = SegmentationCause.LITTLE_ROOM if little else SegmentationCause.SEGMENT_SIZE
    return Segmentation(
        writes=len(writes),
        frames=len(payload),
        segments=segments,
        writes_per_frame=round(len(writes) / len(payload), 3),
        writes_per_segment=round(len(writes) / segments, 3),
        write_median_bytes=int(median_bytes),
        frame_median_bytes=int(np.median(payload)),
        frame_max_bytes=int(payload.max()),
        segment_mean_bytes=round(float(payload.sum()) / segments, 1),
        cause=cause,
        closed_share=round(closed_share, 4),
        mss_bytes=mss_bytes,
    )


def _coalesced(observation: Observation, closed_share: float) -> SegmentationCause:
    limits = find_limits(observation)
    if closed_share >= CLOSED_SHARE:
        return SegmentationCause.WINDOW_CLOSED
    if limits is not None and limits.limit in (Limit.NETWORK, Limit.WINDOW, Limit.RECEIVER):
        return SegmentationCause.SENDER_WAITED
    return SegmentationCause.FAST_WRITES if observation.requested.get("nodelay") else SegmentationCause.NAGLE


RULE: Final = Rule(
    "segmentation",
    "How do writes correspond to frames and segments: coalesced, split, and why?",
    "the log of writes, payload of the sender's frames, `nodelay`",
    (Segmentation,),
    measure,
)
