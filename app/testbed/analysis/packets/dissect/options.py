"""Read the TCP options that the analysis needs: window scale, MSS, SACK and the time stamp.

Sources: RFC 9293, RFC 7323, RFC 2018.

Segments with exactly the time stamp that every Linux segment carries are not looked at; those with one SACK option
behind it are read by columns; a segment with anything else is walked option by option.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.dissect.headers import TcpGroup
from testbed.analysis.packets.read.views import Bytes

END, NOP, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK = 0, 1, 2, 3, 4, 5
TIMESTAMP: Final = 8
TIMESTAMP_FIRST: Final = 0x0101080A  # two NOPs, then the time stamp
MAX_WINDOW_SCALE: Final = 14  # RFC 7323, section 2.3: a greater shift counts as 14
MAX_SACK_BLOCKS: Final = 4
MOST_OPTION_BYTES: Final = 40
NO_SCALE: Final = -1
SYN: Final = 2


@dataclass(frozen=True, slots=True)
class Options:
    """Sparse: only the segments that have one of these options appear. `row` numbers segments within their group.

    `edges` has left and right of up to four SACK blocks; `sack_blocks` says how many, -1 where there is no SACK option.
    `window_scale` is -1 where there is none, `mss_bytes` 0. `stamp` is the time stamp's value where that option is not
    the first one, as in a SYN; else 0.
    """

    row: NDArray[np.int64]
    mss_bytes: NDArray[np.int64]
    window_scale: NDArray[np.int64]
    sack_blocks: NDArray[np.int64]
    edges: NDArray[np.uint32]
    stamp: NDArray[np.uint32]

    def move(self, place: NDArray[np.int64]) -> "Options":
        """Return the same options for segments that have moved: row n stands at `place[n]` now; sorted by row."""
        moved = place[self.row]
        order = np.argsort(moved, kind="stable")
        return Options(
            moved[order],
            self.mss_bytes[order],
            self.window_scale[order],
            self.sack_blocks[order],
            self.edges[order],
            self.stamp[order],
        )


@dataclass(frozen=True, slots=True)
class Walked:
    """The options of one segment."""

    mss_bytes: int = 0
    window_scale: int = NO_SCALE
    blocks: tuple[int, ...] | None = None
    stamp: int = 0


def read_options(group: TcpGroup, header_bytes: NDArray[np.uint8], tcp_flags: NDArray[np.uint16]) -> Options:
    """Return the options of a group's segments."""
    frames, at = group.frames, group.tcp_at
    stamped = frames.u32(at + 20) == TIMESTAMP_FIRST
    stamped &= frames.captured_bytes >= header_bytes + np.int64(at)
    usual = stamped & (header_bytes == 32) | (header_bytes == 20)
    row = np.flatnonzero(~usual | (tcp_flags & SYN != 0))
    there = np.minimum(frames.captured_bytes[row] - (at + 20), header_bytes[row] - np.int64(20)).clip(0)
    rows = frames.rows(row, at + 20, MOST_OPTION_BYTES)
    by_columns = np.flatnonzero(stamped[row] & (tcp_flags[row] & SYN == 0) & _one_sack_behind(rows, there))
    edges = np.zeros((len(row), 2 * MAX_SACK_BLOCKS), np.uint32)
    mss_bytes, window_scale, sack_blocks = np.zeros(len(row), np.int64), *np.full((2, len(row)), NO_SCALE, np.int64)
    stamp = np.zeros(len(row), np.uint32)
    edges[by_columns], sack_blocks[by_columns] = _sack_behind(rows[by_columns], there[by_columns])
    for place in np.setdiff1d(np.arange(len(row)), by_columns, assume_unique=True).tolist():
        walked = walk_options(rows[place, : there[place]].tobytes())
        mss_bytes[place], window_scale[place], stamp[place] = walked.mss_bytes, walked.window_scale, walked.stamp
        if walked.blocks is not None:
            sack_blocks[place] = len(walked.blocks) // 2
            edges[place, : len(walked.blocks)] = walked.blocks
    return Options(row, mss_bytes, window_scale, sack_blocks, edges, stamp)


def _one_sack_behind(rows: Bytes, there: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell where two NOPs and a SACK option fill what follows the time stamp."""
    leads = (rows[:, 12:15] == (NOP, NOP, SACK)).all(axis=1)
    length = rows[:, 15].astype(np.int64)
    filled: NDArray[np.bool_] = leads & (length + 14 == there) & (length >= 10)
    return filled


def _sack_behind(rows: Bytes, there: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the edges of these options and how many blocks each has."""
    edges = np.zeros((len(rows), 2 * MAX_SACK_BLOCKS), np.uint32)
    blocks = (there - 16) // 8
    columns = rows[:, 16:40].copy().view(np.dtype(">u4"))
    edges[:, : columns.shape[1]] = np.where(np.arange(columns.shape[1]) < 2 * blocks[:, None], columns, 0)
    return edges, blocks


def join_options(parts: list[Options], segments: list[int]) -> Options:
    """Return the options of parts that have so many segments each, numbered through."""
    starts = np.cumsum([0, *segments])
    edges = np.concatenate([np.empty((0, 2 * MAX_SACK_BLOCKS), np.uint32), *(part.edges for part in parts)])
    empty = np.empty(0, np.int64)
    rows = [part.row + start for part, start in zip(parts, starts.tolist(), strict=False)]
    return Options(
        row=np.concatenate([empty, *rows]),
        mss_bytes=np.concatenate([empty, *(part.mss_bytes for part in parts)]),
        window_scale=np.concatenate([empty, *(part.window_scale for part in parts)]),
        sack_blocks=np.concatenate([empty, *(part.sack_blocks for part in parts)]),
        edges=edges,
        stamp=np.concatenate([empty.astype(np.uint32), *(part.stamp for part in parts)]),
    )


def walk_options(data: bytes) -> Walked:
    """Read options one after another, until their end or until one that cannot be."""
    mss_bytes, window_scale, stamp = 0, NO_SCALE, 0
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
            stamp = int.from_bytes(body[:4], "big")
        at += length
    return Walked(mss_bytes, window_scale, blocks, stamp)


def _edges(body: bytes) -> tuple[int, ...]:
    whole = min(len(body) // 8, MAX_SACK_BLOCKS) * 8
    return tuple(int.from_bytes(body[at : at + 4], "big") for at in range(0, whole, 4))
