"""A machine that is put into a state knows what one that has seen every frame knows."""

import pytest

from testbed.analysis.packets.follow.streams import Batch, Side
from testbed.analysis.packets.mark.engine import _same, analyse
from testbed.analysis.packets.mark.reference import Machine
from testbed.analysis.packets.mark.resume import Resumer
from tests.support.batches import batch_of
from tests.support.captures import Segment, exchange, handshake, spaced


def resumer_of(batch: Batch) -> Resumer:
    sides = Side(batch, second=False), Side(batch, second=True)
    sides[0].answer(sides[1])
    sides[1].answer(sides[0])
    found = analyse(batch)
    return Resumer(batch, sides, found.results.marks, found.scales.before)


STALLED = spaced(
    [
        *handshake(),
        *(Segment(1001 + 100 * n, 5001, length=100) for n in range(10)),
        Segment(5001, 1551, from_server=True, window=0),
        *[Segment(2000, 5001), Segment(5001, 1551, from_server=True, window=0)] * 3,
        *[Segment(5001, 1551, from_server=True, window=5)] * 4,
        Segment(2001, 5001, length=1448),
    ]
)


@pytest.mark.parametrize("segments", [exchange(40), STALLED, exchange(40)[3:], exchange(10)[2:]])
def test_at_every_frame(segments: list[Segment]) -> None:
    batch = batch_of(exchange(5), segments)
    resumer = resumer_of(batch)
    machine = Machine()
    for frame in resumer.frames(int(batch.first[1]), len(batch)):
        assert _same(machine, resumer.machine(1, frame.at)), frame.at
        machine.step(frame)


def test_frames_are_those_of_the_batch() -> None:
    segments = exchange(1500)
    frames = list(resumer_of(batch_of(segments)).frames(3, len(segments) - 2))
    assert [frame.seq for frame in frames] == [segment.seq for segment in segments[3:-2]]
    assert [frame.at for frame in frames] == list(range(3, len(segments) - 2))
