"""What needs the machine, and what does not. (That both give the same marks is shown in test_engine.py.)"""

from dataclasses import replace

import numpy as np
import pytest

from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.follow.streams import Side
from testbed.analysis.packets.mark.engine import analyse
from testbed.analysis.packets.mark.fast_path import PeerState, Results, Sacks, find_irregular
from tests.support.batches import batch_of
from tests.support.captures import RST, Segment, exchange, handshake, sack, spaced

BEGIN = handshake()
DATA = Segment(1001, 5001, length=100)
ACKED = Segment(5001, 1101, from_server=True)


def irregular(*segments: Segment) -> list[int]:
    batch = batch_of(spaced(segments))
    sides = Side(batch, second=False), Side(batch, second=True)
    sides[0].answer(sides[1])
    sides[1].answer(sides[0])
    odd = [side.at[find_irregular(side, other, PeerState.before(side, other))] for side, other in (sides, sides[::-1])]
    return sorted(np.concatenate(odd).tolist())


def test_an_exchange_is_regular() -> None:
    assert irregular(*exchange(100)) == []


def test_probes_and_closed_windows_are_regular() -> None:
    closed = replace(ACKED, window=0)
    assert irregular(*BEGIN, DATA, closed, Segment(1100, 5001), closed, ACKED) == []


@pytest.mark.parametrize(
    "last",
    [
        replace(DATA, seq=1201),
        replace(DATA, seq=1001),
        replace(DATA, seq=1050),
        replace(ACKED, ack=1102),
        replace(ACKED, flags=RST, ack=0),
        replace(BEGIN[1], seq=5001),
        Segment(1100, 5001, length=1),
        replace(ACKED, ack=1101 - 2**31),
    ],
)
def test_these_are_not(last: Segment) -> None:
    assert irregular(*BEGIN, DATA, last) == [4]


def test_a_byte_into_a_closed_window_is_not() -> None:
    assert irregular(*BEGIN, DATA, replace(ACKED, window=0), Segment(1101, 5001, length=1)) == [5]


def test_what_sacks_say_has_arrived() -> None:
    batch = batch_of([*BEGIN, replace(ACKED, options=sack(10, 30, 2**32 - 5, 5))])
    sacks = Sacks.of(batch)
    assert sacks.has.tolist() == [False, False, False, True]
    assert sacks.row.tolist() == [3]
    assert sacks.delivered_bytes.tolist() == [30]
    assert len(Sacks.of(batch_of(BEGIN)).row) == 0


def test_empty_results_say_none() -> None:
    results = Results.empty(2)
    assert results.acked_at.tolist() == results.rto_ns.tolist() == [-1, -1]
    assert results.marks.tolist() == results.in_flight_bytes.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("edges", "twice"),
    [
        ((1101, 1201), False),
        ((1101, 1201, 1301, 1401), False),
        ((1001, 1101), True),
        ((1001, 1051, 1201, 1301), True),
        ((1051, 1151), False),
        ((1201, 1301, 1201, 1401), True),
        ((1301, 1401, 1201, 1401), True),
        ((1201, 1501, 1201, 1401), False),
    ],
)
def test_what_came_twice(edges: tuple[int, ...], twice: bool) -> None:
    for begin in (0, 2**32 - 1150):  # the numbers wrap on the way
        shifted = replace(ACKED, ack=1101 + begin, options=sack(*(edge + begin for edge in edges)))
        marks = analyse(batch_of(spaced([*BEGIN, shifted]))).results.marks
        assert bool(marks[-1] & Mark.DUPLICATE_SACK) == twice
        assert not np.any(marks[:-1] & Mark.DUPLICATE_SACK)
