"""The rules one by one: the marks of the last frame of a short exchange. Client at 1001, server at 5001."""

from dataclasses import replace

import pytest

from testbed.analysis.packets.dissect.options import parse_options
from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.mark.reference import (
    NOT_SCALED,
    UNKNOWN_SCALE,
    FlowState,
    Frame,
    FrameAnalysis,
    ReferenceTracker,
    negotiate_scale,
)
from tests.support.captures import ACK, FIN, RST, SYN, Segment, handshake, sack, spaced

BEGIN = handshake()
DATA = Segment(1001, 5001, length=100)
ACKED = Segment(5001, 1101, from_server=True, window=300)
CLOSED = replace(ACKED, window=0)
REPEAT = replace(ACKED, ack=1001)
ONE = Segment(1101, 5001, length=1)
EMPTY = Segment(1101, 5001)
LATER = [replace(DATA, seq=1001 + 100 * n) for n in range(1, 4)]


def run(*segments: Segment, step_ns: int = 1_000_000) -> list[FrameAnalysis]:
    tracker = ReferenceTracker()
    found = []
    for at, segment in enumerate(spaced(segments, step_ns=step_ns)):
        options = parse_options(segment.options)
        numbers = (segment.seq % 2**32, segment.ack % 2**32, segment.length, segment.flags, segment.window)
        frame = Frame(at, int(segment.from_server), segment.time_ns, *numbers, options.window_scale, options.blocks)
        found.append(tracker.step(frame))
    return found


CASES = {
    "data in order": ([*BEGIN, DATA], Mark(0)),
    "acknowledgement": ([*BEGIN, DATA, ACKED], Mark(0)),
    "zero window": ([*BEGIN, DATA, CLOSED], Mark.ZERO_WINDOW),
    "zero window with FIN is not one": ([*BEGIN, DATA, replace(CLOSED, flags=FIN | ACK)], Mark(0)),
    "keep-alive without data": ([*BEGIN, DATA, CLOSED, replace(EMPTY, seq=1100)], Mark.KEEP_ALIVE),
    "keep-alive with a byte": ([*BEGIN, DATA, ACKED, replace(ONE, seq=1100)], Mark.KEEP_ALIVE),
    "keep-alive with FIN is none": ([*BEGIN, DATA, replace(EMPTY, seq=1100, flags=FIN | ACK)], Mark.RETRANSMISSION),
    "keep-alive ACK": ([*BEGIN, DATA, ACKED, replace(EMPTY, seq=1100), ACKED], Mark.KEEP_ALIVE_ACK),
    "probe with a byte": ([*BEGIN, DATA, CLOSED, ONE], Mark.ZERO_WINDOW_PROBE),
    "one byte into an open window": ([*BEGIN, DATA, ACKED, ONE], Mark(0)),
    "probe rejected": ([*BEGIN, DATA, CLOSED, ONE, CLOSED], Mark.ZERO_WINDOW | Mark.ZERO_WINDOW_PROBE_ACK),
    "probe accepted": (
        [*BEGIN, DATA, CLOSED, ONE, replace(CLOSED, ack=1102)],
        Mark.ZERO_WINDOW | Mark.ZERO_WINDOW_PROBE_ACK,
    ),
    "probe that opens": ([*BEGIN, DATA, CLOSED, ONE, replace(ACKED, ack=1102)], Mark.WINDOW_UPDATE),
    "window update": ([*BEGIN, DATA, ACKED, replace(ACKED, window=301)], Mark.WINDOW_UPDATE),
    "reopening": ([*BEGIN, DATA, CLOSED, ACKED], Mark.WINDOW_UPDATE),
    "window update with SACK": (
        [*BEGIN, DATA, ACKED, replace(ACKED, window=301, options=sack(1, 2))],
        Mark.DUPLICATE_ACK,
    ),
    "duplicate": ([*BEGIN, DATA, ACKED, ACKED], Mark.DUPLICATE_ACK),
    "no duplicate at a zero window": ([*BEGIN, DATA, CLOSED, CLOSED], Mark.ZERO_WINDOW),
    "window full": ([*BEGIN, replace(REPEAT, window=2), replace(DATA, length=256)], Mark.WINDOW_FULL),
    "one byte less is not full": ([*BEGIN, replace(REPEAT, window=2), replace(DATA, length=255)], Mark(0)),
    "not full without a handshake": ([replace(REPEAT, window=2), replace(DATA, length=2)], Mark(0)),
    "full without scaling": (
        [*handshake(scale=None), replace(REPEAT, window=2), replace(DATA, length=2)],
        Mark.WINDOW_FULL,
    ),
    "a SYN's window is not scaled": ([*BEGIN, replace(DATA, length=65_160)], Mark.WINDOW_FULL),
    "gap": ([*BEGIN, LATER[0]], Mark.LOST_SEGMENT),
    "a reset may jump": ([*BEGIN, replace(LATER[0], flags=RST | ACK, length=0)], Mark(0)),
    "acknowledges data that is not in the capture": ([*BEGIN, DATA, replace(ACKED, ack=1201)], Mark.ACK_LOST_SEGMENT),
    "part of a frame": ([*BEGIN, DATA, replace(ACKED, ack=1050)], Mark.PARTIAL_ACK),
    "spurious retransmission": ([*BEGIN, DATA, ACKED, DATA], Mark.SPURIOUS_RETRANSMISSION),
    "retransmission": ([*BEGIN, DATA, *LATER, DATA], Mark.RETRANSMISSION),
    "fast retransmission": (
        [*BEGIN, DATA, *LATER, REPEAT, REPEAT, REPEAT, DATA],
        Mark.FAST_RETRANSMISSION,
    ),
    "one duplicate is too few": ([*BEGIN, DATA, *LATER, REPEAT, REPEAT, DATA], Mark.RETRANSMISSION),
    "another hole, by SACK": (
        [*BEGIN, DATA, *LATER, *[REPEAT] * 2, replace(REPEAT, options=sack(1301, 1401)), LATER[0]],
        Mark.FAST_RETRANSMISSION,
    ),
    "out of order": ([*BEGIN, LATER[1], LATER[0]], Mark.OUT_OF_ORDER),
    "closes the gap": ([*BEGIN, LATER[0], DATA], Mark.OUT_OF_ORDER),
    "data behind an unanswered probe": ([*BEGIN, DATA, replace(DATA, seq=1100)], Mark(0)),
    "the same SYN": ([BEGIN[0], BEGIN[0]], Mark.RETRANSMISSION),
}


@pytest.mark.parametrize("name", CASES)
def test_the_last_frame(name: str) -> None:
    segments, expected = CASES[name]
    assert Mark(run(*segments)[-1].marks) == expected


def test_out_of_order_only_within_a_round_trip() -> None:
    late = [*BEGIN, LATER[1], *[replace(REPEAT, window=w) for w in (9, 8, 7)], LATER[0]]
    assert run(*late)[-1].marks == Mark.RETRANSMISSION


def test_fast_only_shortly_after_the_duplicates() -> None:
    segments, _ = CASES["fast retransmission"]
    assert run(*segments, step_ns=21_000_000)[-1].marks == Mark.RETRANSMISSION


def test_numbers() -> None:
    *_, second, ack, third = run(*BEGIN, DATA, LATER[0], replace(ACKED, ack=1151), LATER[1])
    assert second.in_flight_bytes == 200
    assert (ack.acked_at, ack.ack_rtt_ns) == (4, 1_000_000)
    assert third.in_flight_bytes == 150


def test_sack_and_fin_are_not_in_flight() -> None:
    segments = [
        *BEGIN,
        DATA,
        *LATER,
        replace(REPEAT, options=sack(1201, 1301)),
        replace(DATA, seq=1401, flags=FIN | ACK),
    ]
    assert run(*segments)[-1].in_flight_bytes == 400


def test_bytes_in_flight_are_unknown_from_a_gap_to_the_next_acknowledgement() -> None:
    assert [o.in_flight_bytes for o in run(*BEGIN, DATA, LATER[1], LATER[2], REPEAT, LATER[2])[3:]] == [
        100,
        0,
        0,
        0,
        400,
    ]


def test_the_time_since_the_original() -> None:
    assert run(*BEGIN, DATA, *LATER, DATA)[-1].rto_ns == 4_000_000
    # Wireshark takes the oldest segment that does not begin before the retransmitted one.
    assert run(*BEGIN, *LATER, DATA, DATA)[-1].rto_ns == 4_000_000


@pytest.mark.parametrize(
    ("syn", "answer", "expected"),
    [
        (7, 9, (7, 9)),
        (-1, 9, (NOT_SCALED, NOT_SCALED)),
        (7, -1, (NOT_SCALED, NOT_SCALED)),
        (None, 9, (UNKNOWN_SCALE, 9)),
    ],
)
def test_scaling_takes_an_offer_from_both(syn: int | None, answer: int, expected: tuple[int, int]) -> None:
    client, server = FlowState(), FlowState()
    if syn is not None:
        negotiate_scale(client, server, syn, is_syn_ack=False)
    negotiate_scale(server, client, answer, is_syn_ack=True)
    assert (client.scale, server.scale) == expected


def test_at_most_ten_thousand_unacknowledged_segments() -> None:
    segments = [*BEGIN, *(replace(DATA, seq=1001 + n, length=1) for n in range(10_100))]
    assert run(*segments)[-1].in_flight_bytes == 10_000


def test_a_syn_occupies_a_sequence_number() -> None:
    assert run(BEGIN[0], replace(BEGIN[1], flags=SYN | ACK, length=10))[-1].in_flight_bytes == 10
    assert ACK & SYN == 0
