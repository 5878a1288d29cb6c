import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.analysis.packets.follow.streams import Side, previous
from tests.support.batches import batch_of
from tests.support.captures import MASK, exchange
from tests.support.random_exchange import random_segments


def test_previous() -> None:
    assert previous(np.array([5, 6, 7]), -1).tolist() == [-1, 5, 6]
    assert previous(np.empty(0, np.int64), 3).tolist() == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_last_frame_of_the_other_side(seed: int) -> None:
    """Counting finds what a look back finds; nothing reaches into the connection before."""
    segments = random_segments(seed)
    first, second = segments[: len(segments) // 2], segments[len(segments) // 2 :]
    batch = batch_of(first, second)
    sides = Side(batch, second=False), Side(batch, second=True)
    for mine, theirs in (sides, sides[::-1]):
        mine.answer(theirs)
        for at, position in enumerate(mine.at.tolist()):
            begin = 0 if position < len(first) else len(first)
            back = [p for p in range(begin, position) if batch.second[p] != batch.second[position]]
            assert bool(mine.alone[at]) == (not back)
            if back:
                assert theirs.at[mine.peer[at]] == back[-1]


def test_numbers_unroll_over_the_end() -> None:
    batch = batch_of(exchange(100, client_isn=2**32 - 300), exchange(10, client_isn=7))
    side = Side(batch, second=False)
    assert (np.diff(side.start[: side.bounds[1]]) >= 0).all()
    assert ((side.start - side.start[0]) & MASK)[: side.bounds[1]].tolist() == (
        (side.seq.astype(np.int64) - int(side.seq[0])) & MASK
    )[: side.bounds[1]].tolist()
    assert side.start[side.bounds[1]] > side.top[side.bounds[1] - 1]
    assert not side.gap.any()
