"""A tracker built from the columns has the state of one that has processed every frame."""

import pytest

from testbed.analysis.packets.follow.streams import Batch, both_directions
from testbed.analysis.packets.mark.reference import ReferenceTracker
from testbed.analysis.packets.mark.resume import Resumer, same_state
from testbed.analysis.packets.mark.scales import follow_scales
from tests.support.batches import batch_of, marked
from tests.support.captures import Segment, exchange, handshake, spaced


def resumer_of(batch: Batch) -> Resumer:
    return Resumer(batch, both_directions(batch), marked(batch).marks, follow_scales(batch).before)


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
    tracker = ReferenceTracker()
    for frame in resumer.frames(int(batch.first[1]), len(batch)):
        assert same_state(tracker, resumer.tracker(1, frame.at)), frame.at
        tracker.step(frame)


def test_frames_of_a_part() -> None:
    segments = exchange(1500)
    frames = list(resumer_of(batch_of(segments)).frames(3, len(segments) - 2))
    assert [frame.seq for frame in frames] == [segment.seq for segment in segments[3:-2]]
    assert [frame.at for frame in frames] == list(range(3, len(segments) - 2))
