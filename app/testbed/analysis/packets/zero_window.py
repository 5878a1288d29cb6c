"""Find when a receiver's window was zero, why it closed and how it opened again."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from testbed.analysis.packets.flags import FIN, RST, SYN, Mark
from testbed.analysis.packets.model import NONE, Connection, Frames, Int64


class ZeroWindowCause(StrEnum):
    """Why a window closed, judged by its right edge: acknowledgement number plus window."""

    FILLED = "filled"
    """The edge stood still and the sender sent up to it: the receiving application did not read."""
    SHRUNK = "shrunk"
    """The edge moved left by more than the scale rounds: the receiver was short of memory.

    RFC 9293, section 3.8.6, calls this shrinking the window and discourages it.
    """
    ADVANCED = "advanced"
    """The edge moved right and the window is zero all the same: the sender had sent beyond the offered window."""
    UNKNOWN = "unknown"
    """The frame before it, or the window scale, is not in the capture."""


class ZeroWindowEnd(StrEnum):
    """How a zero-window period ended."""

    REOPENED = "reopened"
    CONNECTION_END = "connection end"
    CAPTURE_END = "capture end"


@dataclass(frozen=True, slots=True)
class ZeroWindowPeriod:
    """One period in which an endpoint advertised a window of zero.

    `of_client` is True for the client's receive window. `first_frame` closed it at `start_ns`, `last_frame` ended it at
    `end_ns` with a window of `reopened_bytes` (-1: not reopened, or scale unknown). `zero_window_frames` counts the
    frames that advertised zero, `probes` the peer's window probes during the period.
    """

    of_client: bool
    start_ns: int
    end_ns: int
    first_frame: int
    last_frame: int
    cause: ZeroWindowCause
    end: ZeroWindowEnd
    reopened_bytes: int
    zero_window_frames: int
    probes: int

    @property
    def duration_ns(self) -> int:
        """How long it lasted, measured where the capture was made."""
        return self.end_ns - self.start_ns


def find_zero_window_periods(connection: Connection, *, of_client: bool) -> tuple[ZeroWindowPeriod, ...]:
    """Return the zero-window periods of one endpoint's receive window, in order of time."""
    frames = connection.frames
    own = np.flatnonzero((frames.from_client == of_client) & (frames.tcp_flags & (SYN | RST) == 0))
    is_zero = frames.window_raw[own] == 0
    if not is_zero.any():
        return ()
    change = np.diff(is_zero.astype(np.int8), prepend=0)
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    scale = (connection.client if of_client else connection.server).window_scale
    probes = np.flatnonzero((frames.from_client != of_client) & frames.having(Mark.WINDOW_PROBE))
    found = []
    for start in starts.tolist():
        at = int(np.searchsorted(ends, start))
        stop = int(ends[at]) if at < len(ends) else len(own)
        first = int(own[start])
        last, end = _find_end(frames, own, stop)
        between = np.searchsorted(probes, (first, last))
        found.append(
            ZeroWindowPeriod(
                of_client=of_client,
                start_ns=int(frames.time_ns[first]),
                end_ns=int(frames.time_ns[last]),
                first_frame=int(frames.number[first]),
                last_frame=int(frames.number[last]),
                cause=_find_cause(frames, own, start, 1 << (scale or 0)),
                end=end,
                reopened_bytes=int(frames.window_bytes[last]) if end is ZeroWindowEnd.REOPENED else NONE,
                zero_window_frames=stop - start,
                probes=int(between[1] - between[0]),
            )
        )
    return tuple(found)


def _find_end(frames: Frames, own: Int64, stop: int) -> tuple[int, ZeroWindowEnd]:
    """Return the frame that ends a period whose zero windows stop before `own[stop]`, and how it ends."""
    if stop < len(own):
        return int(own[stop]), ZeroWindowEnd.REOPENED
    last_own = int(own[-1])
    resets = np.flatnonzero(frames.tcp_flags[last_own:] & RST)
    if len(resets):
        return last_own + int(resets[0]), ZeroWindowEnd.CONNECTION_END
    fin_senders = {bool(side) for side in frames.from_client[(frames.tcp_flags & FIN) != 0]}
    return len(frames) - 1, ZeroWindowEnd.CONNECTION_END if len(fin_senders) == 2 else ZeroWindowEnd.CAPTURE_END


def _find_cause(frames: Frames, own: Int64, start: int, unit_bytes: int) -> ZeroWindowCause:
    if start == 0:
        return ZeroWindowCause.UNKNOWN
    edge, edge_before = (int(frames.right_edge_bytes[own[at]]) for at in (start, start - 1))
    if NONE in (edge, edge_before):
        return ZeroWindowCause.UNKNOWN
    if edge > edge_before:
        return ZeroWindowCause.ADVANCED
    # Advertised windows are multiples of the scale's unit: an edge that stands still may seem to move left by less.
    return ZeroWindowCause.FILLED if edge_before - edge < unit_bytes else ZeroWindowCause.SHRUNK
