"""Find where the records of a capture begin.

The length of each record gives the offset of the next one, so the obvious algorithm is a sequential walk, one step of
Python a record. This module divides the file into blocks, searches near the start of each block for something that
looks like a record, and walks all blocks in lockstep, one NumPy step for all. The walk of a block counts only if the
walk of the block before it arrives exactly at its first record. By induction from the first block, the result is always
that of the sequential walk.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

NO_NEXT: Final = -1
"""Stands for the next offset where a record is truncated, or is not a record."""

RECORDS_PER_BLOCK: Final = 512  # measured: 256 to 1024 are equally fast; below, the search costs more, above, the steps
SAMPLE_RECORDS: Final = 64
SEARCH_BYTES: Final = 8192
SEARCH_STEP_BYTES: Final = 256
BLOCKS_PER_SEARCH: Final = 1024  # bounds the memory of the search
MAX_LOCKSTEP_TRIES: Final = 3  # after so many false records the walk is sequential, so that the cost stays linear


class RecordFormat(Protocol):
    """How a capture format chains its records; both methods accept any offset."""

    def next_offsets(self, offsets: Offsets) -> Offsets:
        """Return where the records after those at `offsets` begin, `NO_NEXT` where one is truncated."""

    def looks_like_record(self, offsets: Offsets) -> NDArray[np.bool_]:
        """Return for each offset whether a record seems to begin there; false positives are allowed."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The offsets of the records found, in order, and the offset at which the walk stopped."""

    offsets: Offsets
    stopped_at: int


def walk(record_format: RecordFormat, start: int, stop: int) -> Chain:
    """Return all records that begin in [start, stop), following the chain from `start`."""
    head = _walk_sequentially(record_format, start, stop, SAMPLE_RECORDS)
    pieces = [head.offsets]
    at = head.stopped_at
    if len(head.offsets) < SAMPLE_RECORDS:
        return head
    mean_bytes = (at - start) // SAMPLE_RECORDS
    for _ in range(MAX_LOCKSTEP_TRIES):
        piece, is_complete = _walk_in_lockstep(record_format, at, stop, max(mean_bytes, 16) * RECORDS_PER_BLOCK)
        pieces.append(piece.offsets)
        at = piece.stopped_at
        if is_complete:
            return Chain(np.concatenate(pieces), at)
    rest = _walk_sequentially(record_format, at, stop, None)
    return Chain(np.concatenate([*pieces, rest.offsets]), rest.stopped_at)


def _walk_sequentially(record_format: RecordFormat, start: int, stop: int, limit: int | None) -> Chain:
    found: list[int] = []
    at = start
    while at < stop and (limit is None or len(found) < limit):
        next_offset = int(record_format.next_offsets(np.array([at], np.int64))[0])
        if next_offset == NO_NEXT:
            break
        found.append(at)
        at = next_offset
    return Chain(np.array(found, np.int64), at)


def _walk_in_lockstep(record_format: RecordFormat, start: int, stop: int, block_bytes: int) -> tuple[Chain, bool]:
    """Return the proven part, and whether the chain ends there; else a block began with a false record."""
    blocks: Offsets = np.arange(start + block_bytes, stop, block_bytes)
    parts = (blocks[at : at + BLOCKS_PER_SEARCH] for at in range(0, len(blocks), BLOCKS_PER_SEARCH))
    reach = min(block_bytes, SEARCH_BYTES)
    first = np.concatenate([[start], *(_search(record_format, part, reach, stop) for part in parts)])
    limit = np.append(first[1:], stop)
    stopped_at, found = _step_all(record_format, first, limit)
    # The first block whose walk misses the start of the next one: its chain is broken, or the next start is false.
    wrong = np.flatnonzero(stopped_at[:-1] != first[1:])
    last = int(wrong[0]) if len(wrong) else len(first) - 1
    end = int(stopped_at[last])
    offsets = found[: int(np.searchsorted(found, limit[last]))]
    is_complete = last == len(first) - 1 or end < int(limit[last])
    return Chain(offsets, end), is_complete


def _search(record_format: RecordFormat, blocks: Offsets, reach: int, stop: int) -> Offsets:
    """Return the first offset within `reach` of each block's start that looks like a record.

    Blocks without such an offset are left out.
    """
    found = np.full(len(blocks), NO_NEXT, np.int64)
    for begin in range(0, reach, SEARCH_STEP_BYTES):
        missing = np.flatnonzero(found == NO_NEXT)
        offsets = blocks[missing, None] + np.arange(begin, min(begin + SEARCH_STEP_BYTES, reach))
        candidates = record_format.looks_like_record(offsets.ravel()).reshape(offsets.shape)
        which, at = np.nonzero(candidates & (offsets < stop))
        found[missing[which[::-1]]] = offsets[which, at][::-1]  # reversed, so that each block's first one stays
        if (found != NO_NEXT).all():
            break
    starts: Offsets = found[found != NO_NEXT]
    return starts


def _step_all(record_format: RecordFormat, first: Offsets, limit: Offsets) -> tuple[Offsets, Offsets]:
    stopped_at = first.copy()
    walkers = np.flatnonzero(first < limit)
    at, bound = first[walkers], limit[walkers]
    found: list[Offsets] = []
    while len(walkers):
        following = record_format.next_offsets(at)
        found.append(at)
        active = (following != NO_NEXT) & (following < bound)
        if not active.all():
            broken = following == NO_NEXT
            found[-1] = at[~broken]
            stopped_at[walkers] = np.where(broken, at, following)
            walkers, bound, following = walkers[active], bound[active], following[active]
        at = following
    offsets = np.concatenate(found) if found else first[:0]
    offsets.sort()
    return stopped_at, offsets
