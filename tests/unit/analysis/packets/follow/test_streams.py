import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.analysis.packets.follow.streams import both_directions, previous
from tests.support.batches import batch_of
from tests.support.captures import MASK, exchange
from tests.support.effort import many
from tests.support.random_exchange import random_segments


def test_previous() -> None:
    assert previous(np.array([5, 6, 7]), -1).tolist() == [-1, 5, 6]
    assert previous(np.empty(0, np.int64), 3).tolist() == []


@settings(max_examples=many(20), deadline=None)
@given(st.integers(0, 2**32))
def test_the_last_frame_of_the_other_direction(seed: int) -> None:
    """Counting gives the same result as a search backwards, and never the frame of another connection."""
    segments = random_segments(seed)
    first, is_reverse = segments[: len(segments) // 2], segments[len(segments) // 2 :]
    batch = batch_of(first, is_reverse)
    directions = both_directions(batch)
    for fwd, rev in (directions, directions[::-1]):
        for at, position in enumerate(fwd.at.tolist()):
            begin = 0 if position < len(first) else len(first)
            back = [p for p in range(begin, position) if batch.is_reverse[p] != batch.is_reverse[position]]
            assert bool(fwd.has_peer[at]) == bool(back)
            if back:
                assert rev.at[fwd.peer[at]] == back[-1]


def test_sequence_numbers_are_unwrapped() -> None:
    batch = batch_of(exchange(100, client_isn=2**32 - 300), exchange(10, client_isn=7))
    fwd, _ = both_directions(batch)
    assert (np.diff(fwd.start[: fwd.bounds[1]]) >= 0).all()
    assert ((fwd.start - fwd.start[0]) & MASK)[: fwd.bounds[1]].tolist() == (
        (fwd.seq.astype(np.int64) - int(fwd.seq[0])) & MASK
    )[: fwd.bounds[1]].tolist()
    assert fwd.start[fwd.bounds[1]] > fwd.max_end[fwd.bounds[1] - 1]
    assert not fwd.gap.any()
