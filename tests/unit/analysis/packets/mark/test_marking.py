"""The result is the same from the fast path and the reference, for a connection alone or among others."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from testbed.analysis.packets.mark.fast_path import AnalysisColumns
from testbed.analysis.packets.mark.marking import mark_by_reference
from testbed.analysis.packets.mark.reference import Frame, FrameAnalysis, ReferenceTracker
from tests.support.batches import batch_of, marked
from tests.support.captures import Segment, exchange, handshake, spaced
from tests.support.effort import many
from tests.support.random_exchange import random_segments


def connections(seed: int) -> list[list[Segment]]:
    segments = random_segments(seed)
    return [[s for s in segments if s.ports == ports] for ports in dict.fromkeys(s.ports for s in segments)]


def assert_same(fast: AnalysisColumns, reference: AnalysisColumns) -> None:
    for column in fields(AnalysisColumns):
        np.testing.assert_array_equal(getattr(fast, column.name), getattr(reference, column.name), column.name)


@settings(max_examples=many(50), deadline=None)
@given(st.integers(0, 2**32))
@example(19424)  # the first frame is a reset at 0, the data begins below it
def test_fast_path_and_reference_agree(seed: int) -> None:
    batch = batch_of(*connections(seed))
    assert_same(marked(batch), mark_by_reference(batch))


@settings(max_examples=many(20), deadline=None)
@given(st.integers(0, 2**32))
def test_other_connections_make_no_difference(seed: int) -> None:
    several = connections(seed)
    together = marked(batch_of(*several))
    at = 0
    for one in several:
        alone = marked(batch_of(one))
        part = slice(at, at + len(one))
        np.testing.assert_array_equal(together.marks[part], alone.marks)
        np.testing.assert_array_equal(together.in_flight_bytes[part], alone.in_flight_bytes)
        np.testing.assert_array_equal(together.ack_rtt_ns[part], alone.ack_rtt_ns)
        at += len(one)


def lossy(count: int) -> list[Segment]:
    """Return a long exchange in which every 750th frame is missing."""
    segments = handshake()
    seq, ack = segments[-1].seq, segments[-1].ack
    for number in range(count):
        segments.append(Segment(seq + 100 * number, ack, length=100))
        if number % 2:
            reached = number // 500 * 500 if number % 500 < 20 else number + 1
            segments.append(Segment(ack, seq + 100 * reached, from_server=True))
    del segments[504::750]
    return spaced(segments)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames that the reference marks."""
    marked: list[int] = []
    step = ReferenceTracker.step

    def counting(self: ReferenceTracker, frame: Frame) -> FrameAnalysis:
        marked.append(frame.at)
        return step(self, frame)

    monkeypatch.setattr(ReferenceTracker, "step", counting)
    return marked


def test_an_exchange_in_order_takes_no_reference(steps: list[int]) -> None:
    marked(batch_of(exchange(500), exchange(300, length=1448)))
    assert not steps


def test_the_fast_path_resumes_after_a_loss(steps: list[int]) -> None:
    batch = batch_of(lossy(10_000))
    assert_same(marked(batch), mark_by_reference(batch))
    assert 0 < len(steps) - len(batch) < len(batch) / 3


def test_ten_thousand_unacknowledged_segments() -> None:
    begin = handshake()
    many = [Segment(1001 + n, 5001, length=1, window=9) for n in range(10_200)]
    acks = [Segment(5001, 1001 + n, from_server=True) for n in range(0, 10_200, 300)]
    batch = batch_of(spaced([*begin, *many, *acks, replace(many[0], seq=11_201)]))
    assert_same(marked(batch), mark_by_reference(batch))


def test_an_empty_batch() -> None:
    assert len(marked(batch_of()).marks) == 0


def test_one_direction_only() -> None:
    batch = batch_of([s for s in exchange(50) if not s.from_server], [s for s in exchange(50) if s.from_server])
    assert_same(marked(batch), mark_by_reference(batch))
