"""Find where the records of a capture begin.

Each record says where the next one begins, so the plain way is a walk, one step of Python a record. Here the file is
cut into blocks, a likely record is sought near the start of each block, and all blocks are walked in lockstep, one
NumPy step for all. A block's walk is true when the walk of the block before it arrives exactly at its first record;
by induction from the first block nothing is believed that a plain walk would not have found.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

CUT: Final = -1
"""In place of a next offset: this record is not whole, or not a record."""

RECORDS_PER_BLOCK: Final = 512  # measured: 256 to 1024 are equally fast; fewer pay for seeking, more for steps
SAMPLE_RECORDS: Final = 64
SEEK_BYTES: Final = 8192
SEEK_STEP_BYTES: Final = 256
SOUGHT_AT_ONCE: Final = 1024  # blocks: bounds the memory of the search
MAX_LOCKSTEP_TRIES: Final = 3  # a file that fools the search this often is walked plainly, so the cost stays linear


class Layout(Protocol):
    """How one format chains its records."""

    def following(self, offsets: Offsets) -> Offsets:
        """Return where the records after those at `offsets` begin, `CUT` where one is not whole; any offset is safe."""

    def likely(self, offsets: Offsets) -> NDArray[np.bool_]:
        """Tell for each offset whether a record seems to begin there; it may be wrong, and any offset is safe."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The records found: their offsets in order, and the first offset that the walk did not get past."""

    offsets: Offsets
    stopped_at: int


def walk(layout: Layout, start: int, stop: int) -> Chain:
    """Return all records that begin in [start, stop), following the chain from `start`."""
    head = _walk_plainly(layout, start, stop, SAMPLE_RECORDS)
    pieces = [head.offsets]
    at = head.stopped_at
    if len(head.offsets) < SAMPLE_RECORDS:
        return head
    mean_bytes = (at - start) // SAMPLE_RECORDS
    for _ in range(MAX_LOCKSTEP_TRIES):
        piece, whole = _walk_in_lockstep(layout, at, stop, max(mean_bytes, 16) * RECORDS_PER_BLOCK)
        pieces.append(piece.offsets)
        at = piece.stopped_at
        if whole:
            return Chain(np.concatenate(pieces), at)
    rest = _walk_plainly(layout, at, stop, None)
    return Chain(np.concatenate([*pieces, rest.offsets]), rest.stopped_at)


def _walk_plainly(layout: Layout, start: int, stop: int, limit: int | None) -> Chain:
    found: list[int] = []
    at = start
    while at < stop and (limit is None or len(found) < limit):
        following = int(layout.following(np.array([at], np.int64))[0])
        if following == CUT:
            break
        found.append(at)
        at = following
    return Chain(np.array(found, np.int64), at)


def _walk_in_lockstep(layout: Layout, start: int, stop: int, block_bytes: int) -> tuple[Chain, bool]:
    """Return what is proven, and whether the chain has come to its end (else a block began at a wrong place)."""
    blocks: Offsets = np.arange(start + block_bytes, stop, block_bytes)
    slabs = (blocks[at : at + SOUGHT_AT_ONCE] for at in range(0, len(blocks), SOUGHT_AT_ONCE))
    first = np.concatenate([[start], *(_seek(layout, slab, min(block_bytes, SEEK_BYTES), stop) for slab in slabs)])
    limit = np.append(first[1:], stop)
    stopped_at, found = _step_all(layout, first, limit)
    # The first block whose walk does not arrive where the next begins: it broke off, or the next began wrongly.
    wrong = np.flatnonzero(stopped_at[:-1] != first[1:])
    last = int(wrong[0]) if len(wrong) else len(first) - 1
    end = int(stopped_at[last])
    offsets = found[: int(np.searchsorted(found, limit[last]))]
    broke_off = last == len(first) - 1 or end < int(limit[last])
    return Chain(offsets, end), broke_off


def _seek(layout: Layout, blocks: Offsets, reach: int, stop: int) -> Offsets:
    """Return where records seem to begin, the first within `reach` of each block's start; none for some blocks."""
    found = np.full(len(blocks), CUT, np.int64)
    for begin in range(0, reach, SEEK_STEP_BYTES):
        missing = np.flatnonzero(found == CUT)
        offsets = blocks[missing, None] + np.arange(begin, min(begin + SEEK_STEP_BYTES, reach))
        which, at = np.nonzero(layout.likely(offsets.ravel()).reshape(offsets.shape) & (offsets < stop))
        found[missing[which[::-1]]] = offsets[which, at][::-1]  # of several the first, for the last one written stays
        if (found != CUT).all():
            break
    there: Offsets = found[found != CUT]
    return there


def _step_all(layout: Layout, first: Offsets, limit: Offsets) -> tuple[Offsets, Offsets]:
    stopped_at = first.copy()
    walkers = np.flatnonzero(first < limit)
    at, bound = first[walkers], limit[walkers]
    found: list[Offsets] = []
    while len(walkers):
        following = layout.following(at)
        found.append(at)
        going = (following != CUT) & (following < bound)
        if not going.all():
            broken = following == CUT
            found[-1] = at[~broken]
            stopped_at[walkers] = np.where(broken, at, following)
            walkers, bound, following = walkers[going], bound[going], following[going]
        at = following
    everything = np.concatenate(found) if found else first[:0]
    everything.sort()
    return stopped_at, everything
