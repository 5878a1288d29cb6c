"""Read the TCP options that the analysis needs: window scale, MSS, SACK and timestamps.

Sources: RFC 9293, RFC 7323, RFC 2018.

Segments whose only option is the timestamps option in Linux's layout are skipped. Segments with one SACK option after
it are read by columns. All others are parsed option by option.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.headers import TcpGroup
from testbed.analysis.packets.read.views import Bytes

END, NOP, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK = 0, 1, 2, 3, 4, 5
TIMESTAMP: Final = 8
TIMESTAMP_FIRST: Final = 0x0101080A  # two NOPs, then the timestamps option
MAX_WINDOW_SCALE: Final = 14  # RFC 7323, section 2.3: a greater shift counts as 14
MAX_SACK_BLOCKS: Final = 4
MAX_OPTION_BYTES: Final = 40
NO_SCALE: Final = -1
SYN: Final = 2


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """The options of the segments that have any of them; `row` is a segment's index within its group.

    `edges` has the left and right edges of up to four SACK blocks; `sack_blocks` is their number, -1 where there is no
    SACK option. `window_scale` is -1 where there is none, `mss_bytes` 0. `tsval` is the timestamp value where that
    option is not the first one, as in a SYN; else 0.
    """

    row: NDArray[np.int64]
    mss_bytes: NDArray[np.int64]
    window_scale: NDArray[np.int64]
    sack_blocks: NDArray[np.int64]
    edges: NDArray[np.uint32]
    tsval: NDArray[np.uint32]

    def reindex(self, index: NDArray[np.int64]) -> "TcpOptions":
        """Return the same options for reordered segments, sorted by row: segment n is now segment `index[n]`."""
        moved = index[self.row]
        order = np.argsort(moved, kind="stable")
        return TcpOptions(
            moved[order],
            self.mss_bytes[order],
            self.window_scale[order],
            self.sack_blocks[order],
            self.edges[order],
            self.tsval[order],
        )


@dataclass(frozen=True, slots=True)
class ParsedOptions:
    """The options of one segment, `blocks` the SACK edges."""

    mss_bytes: int = 0
    window_scale: int = NO_SCALE
    blocks: tuple[int, ...] | None = None
    tsval: int = 0


def read_options(group: TcpGroup, header_bytes: NDArray[np.uint8], tcp_flags: NDArray[np.uint16]) -> TcpOptions:
    """Return the options of a group's segments."""
    frames, at = group.frames, group.tcp_at
    has_timestamp = frames.u32(at + 20) == TIMESTAMP_FIRST
    has_timestamp &= frames.captured_bytes >= header_bytes + np.int64(at)
    usual = has_timestamp & (header_bytes == 32) | (header_bytes == 20)
    row = np.flatnonzero(~usual | (tcp_flags & SYN != 0))
    captured = np.minimum(frames.captured_bytes[row] - (at + 20), header_bytes[row] - np.int64(20)).clip(0)
    rows = frames.rows(row, at + 20, MAX_OPTION_BYTES)
    is_syn = tcp_flags[row] & SYN != 0
    by_columns = np.flatnonzero(has_timestamp[row] & ~is_syn & _has_sack_after_timestamp(rows, captured))
    edges = np.zeros((len(row), 2 * MAX_SACK_BLOCKS), np.uint32)
    mss_bytes, window_scale, sack_blocks = np.zeros(len(row), np.int64), *np.full((2, len(row)), NO_SCALE, np.int64)
    tsval = np.zeros(len(row), np.uint32)
    edges[by_columns], sack_blocks[by_columns] = _sack_after_timestamp(rows[by_columns], captured[by_columns])
    for n in np.setdiff1d(np.arange(len(row)), by_columns, assume_unique=True).tolist():
        parsed = parse_options(rows[n, : captured[n]].tobytes())
        mss_bytes[n], window_scale[n], tsval[n] = parsed.mss_bytes, parsed.window_scale, parsed.tsval
        if parsed.blocks is not None:
            sack_blocks[n] = len(parsed.blocks) // 2
            edges[n, : len(parsed.blocks)] = parsed.blocks
    return TcpOptions(row, mss_bytes, window_scale, sack_blocks, edges, tsval)


def _has_sack_after_timestamp(rows: Bytes, captured: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each row whether exactly two NOPs and a SACK option follow the timestamps option."""
    is_sack = (rows[:, 12:15] == (NOP, NOP, SACK)).all(axis=1)
    length = rows[:, 15].astype(np.int64)
    fits: NDArray[np.bool_] = is_sack & (length + 14 == captured) & (length >= 10)
    return fits


def _sack_after_timestamp(rows: Bytes, captured: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the edges of these SACK options and the number of blocks of each."""
    edges = np.zeros((len(rows), 2 * MAX_SACK_BLOCKS), np.uint32)
    blocks = (captured - 16) // 8
    columns = rows[:, 16:40].copy().view(np.dtype(">u4"))
    edges[:, : columns.shape[1]] = np.where(np.arange(columns.shape[1]) < 2 * blocks[:, None], columns, 0)
    return edges, blocks


def join_options(parts: list[TcpOptions], segments: list[int]) -> TcpOptions:
    """Join the options of consecutive parts; `segments` is the number of segments of each part."""
    starts = np.cumsum([0, *segments])
    edges = np.concatenate([np.empty((0, 2 * MAX_SACK_BLOCKS), np.uint32), *(part.edges for part in parts)])
    empty = np.empty(0, np.int64)
    rows = [part.row + start for part, start in zip(parts, starts.tolist(), strict=False)]
    return TcpOptions(
        row=np.concatenate([empty, *rows]),
        mss_bytes=np.concatenate([empty, *(part.mss_bytes for part in parts)]),
        window_scale=np.concatenate([empty, *(part.window_scale for part in parts)]),
        sack_blocks=np.concatenate([empty, *(part.sack_blocks for part in parts)]),
        edges=edges,
        tsval=np.concatenate([empty.astype(np.uint32), *(part.tsval for part in parts)]),
    )


def parse_options(data: bytes) -> ParsedOptions:
    """Parse options one after another, up to the end of the list or the first malformed one."""
    mss_bytes, window_scale, tsval = 0, NO_SCALE, 0
    blocks: tuple[int, ...] | None = None
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == END:
            break
        if kind == NOP:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            break
        body = data[at + 2 : at + length]
        if kind == MSS and length == 4:
            mss_bytes = int.from_bytes(body, "big")
        elif kind == WINDOW_SCALE and length == 3:
            window_scale = min(body[0], MAX_WINDOW_SCALE)
        elif kind == SACK:
            blocks = _edges(body)
        elif kind == TIMESTAMP and length == 10:
            tsval = int.from_bytes(body[:4], "big")
        at += length
    return ParsedOptions(mss_bytes, window_scale, blocks, tsval)


def _edges(body: bytes) -> tuple[int, ...]:
    whole = min(len(body) // 8, MAX_SACK_BLOCKS) * 8
    return tuple(int.from_bytes(body[at : at + 4], "big") for at in range(0, whole, 4))
