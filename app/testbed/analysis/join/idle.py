"""When the sender had nothing unsent: its program had not written more, or its send buffer had no room for more.

The kernel counts a sender as busy while anything is unacknowledged. A program that writes slowly keeps it busy too, and
so does a send buffer full of bytes in flight; the log of writes and the capture distinguish them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import Calls
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import Int64


@dataclass(frozen=True, slots=True)
class SenderIdle:
    """Times until the last write returned in which everything accepted had been sent.

    `not_written_s`: no write was waiting. `no_room_s`: one was, and the buffer held only bytes in flight.
    """

    not_written_s: float
    no_room_s: float


def sender_idle(observation: Observation) -> SenderIdle | None:
    """Return the idle times; None without the sender's capture or its log of writes."""
    writes, connection, mss = observation.sender.calls("write"), observation.sender.connection, observation.mss_bytes
    if writes is None or connection is None or mss is None:
        return None
    frames = connection.frames
    sent = observation.from_sender(frames)
    reached = np.maximum.accumulate(np.where(sent, frames.relative_seq_bytes + frames.payload_bytes, 1)) - 1
    at_ns = observation.at_ns(frames)
    times = np.union1d(np.union1d(at_ns, writes.start_ns), writes.end_ns)
    times = times[(times >= writes.start_ns[0]) & (times <= writes.end_ns[-1])]
    before = np.searchsorted(at_ns, times, side="right") - 1
    unsent = writes.done_at(times) - np.where(before >= 0, reached[before], 0)
    waiting = _waiting(writes, times)
    lasts_s = np.diff(times, append=times[-1:]) / 1e9
    return SenderIdle(
        not_written_s=float(lasts_s[(unsent <= 0) & ~waiting].sum()),
        no_room_s=float(lasts_s[(unsent < mss) & waiting].sum()),
    )


def _waiting(writes: Calls, times: Int64) -> NDArray[np.bool_]:
    """Return for each time whether a write that had to wait was in progress."""
    starts, ends = writes.start_ns[writes.blocked], writes.end_ns[writes.blocked]
    begun = np.searchsorted(starts, times, side="right")
    over = np.searchsorted(ends, times, side="right")
    waiting: NDArray[np.bool_] = begun > over
    return waiting
