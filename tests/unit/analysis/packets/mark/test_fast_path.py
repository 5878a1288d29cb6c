"""Which frames need the reference. (test_marking.py proves that both give the same marks.)"""

from dataclasses import replace

import numpy as np
import pytest

from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.follow.streams import both_directions
from testbed.analysis.packets.mark.fast_path import AnalysisColumns, PeerState, Sacks, needs_reference
from tests.support.batches import batch_of, marked
from tests.support.captures import RST, Segment, exchange, handshake, sack, spaced

BEGIN = handshake()
DATA = Segment(1001, 5001, length=100)
ACKED = Segment(5001, 1101, from_server=True)


def slow(*segments: Segment) -> list[int]:
    """Return the frames that need the reference."""
    directions = both_directions(batch_of(spaced(segments)))
    found = [
        fwd.at[needs_reference(fwd, rev, PeerState.before(fwd, rev))] for fwd, rev in (directions, directions[::-1])
    ]
    return sorted(np.concatenate(found).tolist())


def test_an_exchange_is_in_order() -> None:
    assert slow(*exchange(100)) == []


def test_probes_and_zero_windows_are_in_order() -> None:
    closed = replace(ACKED, window=0)
    assert slow(*BEGIN, DATA, closed, Segment(1100, 5001), closed, ACKED) == []


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
def test_these_need_the_reference(last: Segment) -> None:
    assert slow(*BEGIN, DATA, last) == [4]


def test_a_byte_into_a_zero_window_needs_the_reference() -> None:
    assert slow(*BEGIN, DATA, replace(ACKED, window=0), Segment(1101, 5001, length=1)) == [5]


def test_sacked_bytes() -> None:
    batch = batch_of([*BEGIN, replace(ACKED, options=sack(10, 30, 2**32 - 5, 5))])
    sacks = Sacks.of(batch)
    assert sacks.has.tolist() == [False, False, False, True]
    assert sacks.row.tolist() == [3]
    assert sacks.sacked_bytes.tolist() == [30]
    assert len(Sacks.of(batch_of(BEGIN)).row) == 0


def test_empty_columns() -> None:
    columns = AnalysisColumns.empty(2)
    assert columns.acked_at.tolist() == columns.rto_ns.tolist() == [-1, -1]
    assert columns.marks.tolist() == columns.in_flight_bytes.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("edges", "is_duplicate"),
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
def test_duplicate_sacks(edges: tuple[int, ...], is_duplicate: bool) -> None:
    for begin in (0, 2**32 - 1150):  # the numbers wrap on the way
        shifted = replace(ACKED, ack=1101 + begin, options=sack(*(edge + begin for edge in edges)))
        marks = marked(batch_of(spaced([*BEGIN, shifted]))).marks
        assert bool(marks[-1] & Mark.DUPLICATE_SACK) == is_duplicate
        assert not np.any(marks[:-1] & Mark.DUPLICATE_SACK)
