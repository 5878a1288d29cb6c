from dataclasses import replace

import pytest

from testbed.analysis.findings.segmentation import OneToOne, Segmentation, SegmentationCause
from testbed.report.sentences.registry import words

COALESCED = Segmentation(
    writes=60,
    frames=5,
    segments=12,
    writes_per_frame=12.0,
    writes_per_segment=5.0,
    write_median_bytes=1000,
    frame_median_bytes=8000,
    frame_max_bytes=9000,
    segment_mean_bytes=1400.0,
    cause=SegmentationCause.NAGLE,
    closed_share=0.6,
    mss_bytes=1448,
)
SPLIT = replace(COALESCED, writes=7, segments=70, cause=SegmentationCause.SEGMENT_SIZE)


def test_coalesced() -> None:
    assert words(COALESCED) == (
        "60 writes of 1 000 B went out in 12 segments (5 captured frames): on average, 5 writes were coalesced into "
        "each segment; Nagle's algorithm holds a small segment back until what is in flight is acknowledged."
    )


def test_split() -> None:
    assert words(SPLIT).endswith(
        ": on average, each write was split into 10 segments; a segment carries 1 448 B at most."
    )
    assert words(replace(SPLIT, mss_bytes=None)).endswith("; a segment carries less.")


@pytest.mark.parametrize(
    ("cause", "part"),
    [
        (SegmentationCause.WINDOW_CLOSED, "while the window was closed (60 % of the time) they waited"),
        (SegmentationCause.SENDER_WAITED, "while the sender waited for acknowledgements or window"),
        (SegmentationCause.FAST_WRITES, "(TCP_NODELAY was set)"),
        (SegmentationCause.LITTLE_ROOM, "had room for a part only"),
    ],
)
def test_causes(cause: SegmentationCause, part: str) -> None:
    assert part in words(replace(COALESCED, cause=cause))


def test_one_to_one() -> None:
    assert words(OneToOne(1, 1)) == "1 write went out in 1 segment"
