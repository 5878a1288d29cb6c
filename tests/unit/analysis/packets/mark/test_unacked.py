"""Compare `Unacked` with a plain list of segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.analysis.packets.mark.unacked import MASK, SentSegment, Unacked, before


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(1, 2, True), (2, 1, False), (1, 1, False), (2**32 - 1, 0, True), (0, 2**32 - 1, False)]
)
def test_before_goes_round(x: int, y: int, expected: bool) -> None:
    assert before(x, y) is expected


class Plain:
    """Compares each number with all segments, oldest first."""

    def __init__(self) -> None:
        self.all: list[SentSegment] = []

    def acknowledge(self, ack: int) -> tuple[int | None, bool]:
        acknowledged: tuple[int | None, bool] = (None, False)
        for segment in list(self.all):
            if ack == segment.end or (before(segment.seq, ack) and not before(segment.end, ack)):
                acknowledged = (segment.at, ack != segment.end) if acknowledged[0] is None else acknowledged
                segment.seq = segment.seq if ack == segment.end else ack
            if not before(ack, segment.end):
                self.all.remove(segment)
        return acknowledged


actions = st.lists(
    st.one_of(
        st.tuples(st.just("next"), st.integers(1, 500)),
        st.tuples(st.just("old"), st.integers(1, 3000)),
        st.tuples(st.just("skip"), st.integers(1, 500)),
        st.tuples(st.just("ack"), st.integers(0, 4000)),
    ),
    max_size=60,
)


@given(base=st.sampled_from([5, 2**31 - 900, 2**32 - 900]), moves=actions)
def test_same_as_a_plain_list(base: int, moves: list[tuple[str, int]]) -> None:
    unacked, plain = Unacked(), Plain()
    max_end = 0
    for at, (move, value) in enumerate(moves):
        if move == "ack":
            ack = (base + max(max_end - value, 0)) & MASK
            segment, inside = unacked.acknowledge(ack)
            assert (segment.at if segment else None, inside) == plain.acknowledge(ack)
        else:
            start = max(max_end - value, 0) if move == "old" else max_end + (value if move == "skip" else 0)
            end = start + (value if move == "next" else 100)
            max_end = max(max_end, end)
            for add in (unacked.add, plain.all.append):
                add(SentSegment((base + start) & MASK, (base + end) & MASK, at, at))
        assert unacked.in_order() == plain.all
        assert len(unacked) == len(plain.all)
        _assert_same_results(unacked, plain.all, base, max_end)


def _assert_same_results(unacked: Unacked, everything: list[SentSegment], base: int, max_end: int) -> None:
    offsets = [((s.seq - base) & MASK, (s.end - base) & MASK) for s in everything]
    if everything:
        assert unacked.span_bytes() == max(end for _, end in offsets) - min(start for start, _ in offsets)
    for start in (0, max_end // 2, max_end - 100, max_end):
        seq = (base + max(start, 0)) & MASK
        inside = any(begin <= max(start, 0) and max(start, 0) + 50 <= end for begin, end in offsets)
        assert unacked.covers(seq, (seq + 50) & MASK) == inside
        oldest = next((s for s, (begin, _) in zip(everything, offsets, strict=True) if begin >= max(start, 0)), None)
        assert unacked.oldest_from(seq) == oldest


def test_tail() -> None:
    unacked = Unacked()
    for at, (seq, end) in enumerate([(0, 100), (300, 400), (400, 500)]):
        unacked.add(SentSegment(seq, end, at, at))
    assert unacked.tail_from(300) == 500
    assert unacked.tail_from(200) == 200
    assert Unacked().tail_from(7) == 7


def test_acknowledged_segments_are_removed_from_memory() -> None:
    unacked = Unacked()
    for at in range(5000):
        unacked.add(SentSegment(at * 10, at * 10 + 10, at, at))
    for at in range(4000):
        unacked.acknowledge(at * 10 + 10)
    assert len(unacked) == 1000
    assert len(unacked.ordered) < 2100
