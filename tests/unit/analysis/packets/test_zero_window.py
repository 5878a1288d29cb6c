from dataclasses import replace

import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.zero_window import (
    ZeroWindowCause,
    ZeroWindowEnd,
    ZeroWindowPeriod,
    find_zero_window_periods,
)
from tests.support.captures import ACK, FIN, RST, Segment, exchange, handshake, pcap, spaced

BEGIN = handshake(scale=0)
DATA = Segment(1001, 5001, length=500)
OPEN = Segment(5001, 1501, from_server=True, window=500)
CLOSED = replace(OPEN, window=0)
PROBE = Segment(1500, 5001)


def periods(*segments: Segment, of_client: bool = False) -> tuple[ZeroWindowPeriod, ...]:
    return find_zero_window_periods(analyse_capture(pcap(spaced(segments))).connection(0), of_client=of_client)


READY = replace(OPEN, ack=1001)


def test_all_facts_of_one_period() -> None:
    (period,) = periods(*BEGIN, READY, DATA, CLOSED, PROBE, CLOSED, PROBE, CLOSED, OPEN)
    assert (period.first_frame, period.last_frame) == (6, 11)
    assert period.duration_ns == 5_000_000
    assert (period.probes, period.zero_window_frames, period.reopened_bytes) == (2, 3, 500)
    assert (period.cause, period.end) == (ZeroWindowCause.FILLED, ZeroWindowEnd.REOPENED)
    assert not period.of_client


def test_none_without_a_closed_window() -> None:
    assert periods(*exchange(20)) == ()
    assert periods(*BEGIN, READY, DATA, CLOSED, OPEN, of_client=True) == ()


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (READY, CLOSED, ZeroWindowCause.FILLED),
        (replace(READY, window=600), CLOSED, ZeroWindowCause.SHRUNK),
        (replace(READY, window=400), CLOSED, ZeroWindowCause.ADVANCED),
    ],
)
def test_causes(before: Segment, after: Segment, cause: ZeroWindowCause) -> None:
    (period,) = periods(*BEGIN, before, DATA, after, OPEN)
    assert period.cause is cause


def test_rounding_by_the_scale_is_not_shrinking() -> None:
    before = Segment(5001, 1001, from_server=True, window=4)
    (period,) = periods(*handshake(scale=7), before, DATA, CLOSED)
    assert period.cause is ZeroWindowCause.FILLED


def test_causes_that_cannot_be_known() -> None:
    (first,) = periods(CLOSED, OPEN, of_client=True)  # the sender of the first frame
    assert first.cause is ZeroWindowCause.UNKNOWN
    (unscaled,) = periods(READY, DATA, CLOSED, OPEN, of_client=True)
    assert (unscaled.cause, unscaled.reopened_bytes) == (ZeroWindowCause.UNKNOWN, -1)


@pytest.mark.parametrize(
    ("tail", "end"),
    [
        ([], ZeroWindowEnd.CAPTURE_END),
        ([PROBE], ZeroWindowEnd.CAPTURE_END),
        ([replace(PROBE, flags=RST | ACK)], ZeroWindowEnd.CONNECTION_END),
        ([replace(PROBE, seq=1501, flags=FIN | ACK), replace(CLOSED, flags=FIN | ACK)], ZeroWindowEnd.CONNECTION_END),
    ],
)
def test_ends(tail: list[Segment], end: ZeroWindowEnd) -> None:
    (period,) = periods(*BEGIN, READY, DATA, CLOSED, *tail)
    assert period.end is end
    assert period.reopened_bytes == -1
    assert period.last_frame == 6 + len(tail)


def test_several() -> None:
    again = [replace(DATA, seq=1501), replace(CLOSED, ack=2001), replace(OPEN, ack=2001)]
    found = periods(*BEGIN, READY, DATA, CLOSED, OPEN, *again)
    assert [period.first_frame for period in found] == [6, 9]
    assert [period.probes for period in found] == [0, 0]
