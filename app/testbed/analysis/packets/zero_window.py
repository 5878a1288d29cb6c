"""Find when a receiver's window was closed, why, and how it opened again."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from testbed.analysis.packets.flags import FIN, RST, SYN, Mark
from testbed.analysis.packets.model import NONE, Connection, Frames, Int64


class Cause(StrEnum):
    """Why a window closed, seen from its right edge."""

    FILLED = "filled"
    """The sender sent up to the edge and the edge stood still: nobody read."""
    WITHDRAWN = "withdrawn"
    """The edge moved back by more than the scale rounds: memory was short. (RFC 9293 discourages it)"""
    ADVANCED = "advanced"
    """The edge moved on and yet nothing was left: the sender sent beyond what had been offered."""
    UNKNOWN = "unknown"
    """The frame before it, or the window scale, is not in the capture."""


class Ending(StrEnum):
    """How a closed window ended."""

    REOPENED = "reopened"
    CONNECTION_END = "connection end"
    CAPTURE_END = "capture end"


@dataclass(frozen=True, slots=True)
class Closure:
    """One stretch of time in which one end told the other to send nothing.

    `of_client` says whose receive window it was. `first_frame` closed it at `start_ns`, `last_frame` ended it at
    `end_ns` with a window of `reopened_bytes` (-1: not reopened, or scale unknown). `closed_frames` counts the
    frames that said zero, `probes` the peer's window probes meanwhile.
    """

    of_client: bool
    start_ns: int
    end_ns: int
    first_frame: int
    last_frame: int
    cause: Cause
    ending: Ending
    reopened_bytes: int
    closed_frames: int
    probes: int

    @property
    def duration_ns(self) -> int:
        """How long it lasted, at the place of the capture."""
        return self.end_ns - self.start_ns


def find_closures(connection: Connection, *, of_client: bool) -> tuple[Closure, ...]:
    """Return the closures of one end's receive window, in order of time."""
    frames = connection.frames
    mine = np.flatnonzero((frames.from_client == of_client) & (frames.tcp_flags & (SYN | RST) == 0))
    closed = frames.window_raw[mine] == 0
    if not closed.any():
        return ()
    change = np.diff(closed.astype(np.int8), prepend=0)
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    scale = (connection.client if of_client else connection.server).window_scale
    probes = np.flatnonzero((frames.from_client != of_client) & frames.having(Mark.WINDOW_PROBE))
    found = []
    for start in starts.tolist():
        at = int(np.searchsorted(ends, start))
        stop = int(ends[at]) if at < len(ends) else len(mine)
        first = int(mine[start])
        last, ending = _ending(frames, mine, stop)
        between = np.searchsorted(probes, (first, last))
        found.append(
            Closure(
                of_client=of_client,
                start_ns=int(frames.time_ns[first]),
                end_ns=int(frames.time_ns[last]),
                first_frame=int(frames.number[first]),
                last_frame=int(frames.number[last]),
                cause=_cause(frames, mine, start, 1 << (scale or 0)),
                ending=ending,
                reopened_bytes=int(frames.window_bytes[last]) if ending is Ending.REOPENED else NONE,
                closed_frames=stop - start,
                probes=int(between[1] - between[0]),
            )
        )
    return tuple(found)


def _ending(frames: Frames, mine: Int64, stop: int) -> tuple[int, Ending]:
    if stop < len(mine):
        return int(mine[stop]), Ending.REOPENED
    from_here = int(mine[-1])
    over = np.flatnonzero(frames.tcp_flags[from_here:] & RST)
    if len(over):
        return from_here + int(over[0]), Ending.CONNECTION_END
    both_closed = {bool(side) for side in frames.from_client[(frames.tcp_flags & FIN) != 0]}
    return len(frames) - 1, Ending.CONNECTION_END if len(both_closed) == 2 else Ending.CAPTURE_END


def _cause(frames: Frames, mine: Int64, start: int, unit_bytes: int) -> Cause:
    if start == 0:
        return Cause.UNKNOWN
    edge, before = (int(frames.right_edge_bytes[mine[at]]) for at in (start, start - 1))
    if NONE in (edge, before):
        return Cause.UNKNOWN
    if edge > before:
        return Cause.ADVANCED
    # What is offered is a multiple of the scale's unit, so that an edge at rest may seem to step back by less.
    return Cause.FILLED if before - edge < unit_bytes else Cause.WITHDRAWN
