"""Sentences about writes that were coalesced or split."""

from collections.abc import Callable
from typing import Final

from testbed.analysis.findings.segmentation import OneToOne, Segmentation, SegmentationCause
from testbed.report.sentences.wording import Sentences
from testbed.units import format_bytes, percent, pluralize


def _segment_size(fact: Segmentation) -> str:
    if fact.mss_bytes is None:
        return "a segment carries less"
    return f"a segment carries {format_bytes(fact.mss_bytes)} at most"


CAUSES: Final[dict[SegmentationCause, Callable[[Segmentation], str]]] = {
    SegmentationCause.WINDOW_CLOSED: lambda fact: (
        f"while the window was closed ({percent(fact.closed_share)} of the time) they waited in the send buffer"
    ),
    SegmentationCause.SENDER_WAITED: lambda _: (
        "they waited in the send buffer while the sender waited for acknowledgements or window"
    ),
    SegmentationCause.FAST_WRITES: lambda _: (
        "they waited in the send buffer, as they came faster than the kernel sends (TCP_NODELAY was set)"
    ),
    SegmentationCause.NAGLE: lambda _: (
        "Nagle's algorithm holds a small segment back until what is in flight is acknowledged"
    ),
    SegmentationCause.SEGMENT_SIZE: _segment_size,
    SegmentationCause.LITTLE_ROOM: lambda _: "the window or the send buffer had room for a part only",
}


def segmentation(fact: Segmentation) -> str:
    """Return how many writes went out in how many segments, and why."""
    ratio = fact.writes / fact.segments
    if ratio > 1:
        how = f"on average, {ratio:.3g} writes were coalesced into each segment"
    else:
        how = f"on average, each write was split into {1 / ratio:.3g} segments"
    return (
        f"{pluralize(fact.writes, 'write')} of {format_bytes(fact.write_median_bytes)} went out in "
        f"{pluralize(fact.segments, 'segment')} ({pluralize(fact.frames, 'captured frame')}): {how}; "
        f"{CAUSES[fact.cause](fact)}."
    )


def one_to_one(fact: OneToOne) -> str:
    """Return why nothing is reported."""
    return f"{pluralize(fact.writes, 'write')} went out in {pluralize(fact.segments, 'segment')}"


SENTENCES: Final[Sentences] = {Segmentation: segmentation, OneToOne: one_to_one}
