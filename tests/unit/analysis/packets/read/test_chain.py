"""The lockstep walk gives the result of a sequential walk, whatever the search for records returns."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from testbed.analysis.packets.read.chain import NO_NEXT, Offsets, walk


class Numbers:
    """Records whose first byte is their length; `guesses` are where the search claims that a record begins."""

    def __init__(self, data: bytes, guesses: list[int]) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self.guesses = np.zeros(1 + max([len(data), *guesses]), np.bool_)
        self.guesses[guesses] = True

    def next_offsets(self, offsets: Offsets) -> Offsets:
        inside = offsets < len(self.data)
        length = self.data[np.where(inside, offsets, 0)].astype(np.int64)
        ends = offsets + length
        return np.where(inside & (length > 0) & (ends <= len(self.data)), ends, NO_NEXT)

    def looks_like_record(self, offsets: Offsets) -> NDArray[np.bool_]:
        guesses: NDArray[np.bool_] = self.guesses[np.minimum(offsets, len(self.guesses) - 1)]
        return guesses


def walk_sequentially(data: bytes) -> tuple[list[int], int]:
    found, at = [], 0
    while at < len(data) and data[at] and at + data[at] <= len(data):
        found.append(at)
        at += data[at]
    return found, at


@given(
    seed=st.integers(0, 2**32),
    tail=st.binary(max_size=3),
    wrong=st.lists(st.integers(0, 120_000), max_size=40),
    right=st.booleans(),
)
def test_same_as_a_sequential_walk(seed: int, tail: bytes, wrong: list[int], right: bool) -> None:
    rng = random.Random(seed)
    lengths = (rng.randrange(1, 61) for _ in range(3000))
    data = b"".join(bytes([length]) + bytes([1]) * (length - 1) for length in lengths) + tail
    expected, stopped_at = walk_sequentially(data)
    chain = walk(Numbers(data, wrong + (expected[::50] if right else [])), 0, len(data))
    assert chain.offsets.tolist() == expected
    assert chain.stopped_at == stopped_at


def test_stops_where_a_record_is_broken_in_the_middle() -> None:
    data = bytearray(b"\x05aaaa" * 10_000)
    data[25_000] = 0
    chain = walk(Numbers(bytes(data), list(range(0, 50_000, 500))), 0, len(data))
    assert len(chain.offsets) == 5000
    assert chain.stopped_at == 25_000
