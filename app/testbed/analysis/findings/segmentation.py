"""Segmentation: how writes were glued or cut into frames and segments, and why."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import calls, frames
from testbed.analysis.findings.limits import find_limits
from testbed.analysis.findings.measured import not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoLog, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.calls import Calls
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.flags import RETRANSMISSIONS
from testbed.analysis.packets.model import Connection, Frames
from testbed.units import format_bytes, percent, pluralize

NAME: Final = "segmentation"

NOTICEABLE: Final = 1.25
"""A ratio between writes and segments nearer to one than this needs no reason."""
CLOSED_SHARE: Final = 0.2
WHOLE_SHARE: Final = 0.8
"""A capture that shows less of the data than this counts too few frames; what was lost before it is little."""


def measure(observation: Observation) -> Answer:
    """Speak when writes and segments do not correspond one to one."""
    writes, end = observation.sender.calls("write"), observation.wire()
    if writes is None:
        return unobservable(NoLog(observation.sender.role))
    if end is None or end.connection is None:
        return unobservable("no capture shows the sender's frames")
    marked = end.connection.frames
    data = observation.from_sender(marked) & (marked.payload_bytes > 0) & ~marked.having(RETRANSMISSIONS)
    if not data.any():
        return not_applicable("no frame with data was captured")
    if _lacks_frames(marked, data):
        return unobservable("the sender's capture lacks frames with data, and so their number says nothing")
    numbers = _numbers(writes, end.connection, marked, data)
    segments = int(numbers["segments"])
    ratio = len(writes) / segments
    if 1 / NOTICEABLE < ratio < NOTICEABLE:
        return not_applicable(f"{pluralize(len(writes), 'write')} went out in {pluralize(segments, 'segment')}")
    how = _glued(observation, ratio) if ratio > 1 else _cut(observation, writes, ratio)
    return untyped(
        sentence=(
            f"{pluralize(len(writes), 'write')} of {format_bytes(int(np.median(writes.size_bytes)))} went out in "
            f"{pluralize(segments, 'segment')} ({int(numbers['frames'])} captured frames): {how}."
        ),
        numbers=numbers,
        evidence=[
            *frames(end, data, "the sender's frames with data", "tcp.len > 0"),
            *calls(observation.sender, writes, np.ones(len(writes), np.bool_), "the writes"),
        ],
        strength=round((0.4 if ratio > 1 else 0.15) * (1 - min(ratio, 1 / ratio)), 3),
    )


def _lacks_frames(marked: Frames, data: NDArray[np.bool_]) -> bool:
    """Tell whether there is much less data in the capture than its sequence numbers run through."""
    first = marked.relative_seq_bytes[data]
    payload = marked.payload_bytes[data].astype(np.int64)
    span = int((first + payload).max() - first.min())
    return int(payload.sum()) < WHOLE_SHARE * span


def _numbers(writes: Calls, connection: Connection, marked: Frames, data: np.ndarray) -> dict[str, float | int | str]:
    payload = marked.payload_bytes[data].astype(np.int64)
    wire = connection.segments()[data]
    segments = int(wire.sum()) if (wire > 0).all() else len(payload)
    return {
        "writes": len(writes),
        "frames": len(payload),
        "segments": segments,
        "writes_per_frame": round(len(writes) / len(payload), 3),
        "writes_per_segment": round(len(writes) / segments, 3),
        "write_median_bytes": int(np.median(writes.size_bytes)),
        "frame_median_bytes": int(np.median(payload)),
        "frame_max_bytes": int(payload.max()),
        "segment_mean_bytes": round(float(payload.sum()) / segments, 1),
    }


def _glued(observation: Observation, ratio: float) -> str:
    closed = observation.closed_ns / 1e9 / (observation.sending_s or 1.0)
    limits = find_limits(observation)
    if closed >= CLOSED_SHARE:
        why = f"while the window was closed ({percent(closed)} of the time) they gathered in the sender's buffer"
    elif limits is not None and limits.limit in ("network", "window", "receiver"):
        why = "they gathered in the sender's buffer while it waited for acknowledgements or window"
    elif observation.requested.get("nodelay"):
        why = "they gathered in the sender's buffer, as they came faster than the kernel sends (TCP_NODELAY was set)"
    else:
        why = "Nagle's algorithm holds a small segment back until what is in flight is acknowledged"
    return f"{ratio:.3g} writes were glued into each segment; {why}"


def _cut(observation: Observation, writes: Calls, ratio: float) -> str:
    mss = observation.mss_bytes
    why = "a segment takes less" if mss is None else f"a segment takes {format_bytes(mss)} at most"
    if mss is not None and float(np.median(writes.size_bytes)) <= mss:
        why = "the window or the send buffer had room for a part only"
    return f"each write was cut into {1 / ratio:.3g} segments; {why}"


RULE: Final = Rule(
    NAME,
    "How do writes correspond to frames and segments: glued, cut, and why?",
    "the log of writes, payload of the sender's frames, `nodelay`",
    (Untyped,),
    measure,
)
