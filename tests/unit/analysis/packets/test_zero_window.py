from dataclasses import replace

import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.zero_window import Cause, Closure, Ending, find_closures
from tests.support.captures import ACK, FIN, RST, Segment, exchange, handshake, pcap, spaced

BEGIN = handshake(scale=0)
DATA = Segment(1001, 5001, length=500)
OPEN = Segment(5001, 1501, from_server=True, window=500)
CLOSED = replace(OPEN, window=0)
PROBE = Segment(1500, 5001)


def closures(*segments: Segment, of_client: bool = False) -> tuple[Closure, ...]:
    return find_closures(analyse_capture(pcap(spaced(segments))).connection(0), of_client=of_client)


READY = replace(OPEN, ack=1001)


def test_one_closure_with_everything_about_it() -> None:
    (closure,) = closures(*BEGIN, READY, DATA, CLOSED, PROBE, CLOSED, PROBE, CLOSED, OPEN)
    assert (closure.first_frame, closure.last_frame) == (6, 11)
    assert closure.duration_ns == 5_000_000
    assert (closure.probes, closure.closed_frames, closure.reopened_bytes) == (2, 3, 500)
    assert (closure.cause, closure.ending) == (Cause.FILLED, Ending.REOPENED)
    assert not closure.of_client


def test_none_without_a_closed_window() -> None:
    assert closures(*exchange(20)) == ()
    assert closures(*BEGIN, READY, DATA, CLOSED, OPEN, of_client=True) == ()


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (READY, CLOSED, Cause.FILLED),
        (replace(READY, window=600), CLOSED, Cause.WITHDRAWN),
        (replace(READY, window=400), CLOSED, Cause.ADVANCED),
    ],
)
def test_causes(before: Segment, after: Segment, cause: Cause) -> None:
    (closure,) = closures(*BEGIN, before, DATA, after, OPEN)
    assert closure.cause is cause


def test_rounding_by_the_scale_is_no_withdrawal() -> None:
    before = Segment(5001, 1001, from_server=True, window=4)
    (closure,) = closures(*handshake(scale=7), before, DATA, CLOSED)
    assert closure.cause is Cause.FILLED


def test_causes_that_cannot_be_known() -> None:
    (first,) = closures(CLOSED, OPEN, of_client=True)  # who is seen first
    assert first.cause is Cause.UNKNOWN
    (unscaled,) = closures(READY, DATA, CLOSED, OPEN, of_client=True)
    assert (unscaled.cause, unscaled.reopened_bytes) == (Cause.UNKNOWN, -1)


@pytest.mark.parametrize(
    ("tail", "ending"),
    [
        ([], Ending.CAPTURE_END),
        ([PROBE], Ending.CAPTURE_END),
        ([replace(PROBE, flags=RST | ACK)], Ending.CONNECTION_END),
        ([replace(PROBE, seq=1501, flags=FIN | ACK), replace(CLOSED, flags=FIN | ACK)], Ending.CONNECTION_END),
    ],
)
def test_endings(tail: list[Segment], ending: Ending) -> None:
    (closure,) = closures(*BEGIN, READY, DATA, CLOSED, *tail)
    assert closure.ending is ending
    assert closure.reopened_bytes == -1
    assert closure.last_frame == 6 + len(tail)


def test_several() -> None:
    again = [replace(DATA, seq=1501), replace(CLOSED, ack=2001), replace(OPEN, ack=2001)]
    found = closures(*BEGIN, READY, DATA, CLOSED, OPEN, *again)
    assert [closure.first_frame for closure in found] == [6, 9]
    assert [closure.probes for closure in found] == [0, 0]
