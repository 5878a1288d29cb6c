import struct

import pytest

from netem.pipeline import Pipeline, wants_segments
from netem.pipeline.frame import checksum
from netem.spec import parse
from tests.support.effort import many
from tests.support.frames import ipv4, numbered, ports, send

PACKETS = many(20_000)


def flipped_bits(before: bytes, after: bytes) -> int:
    return (int.from_bytes(before, "big") ^ int.from_bytes(after, "big")).bit_count()


def test_one_bit_in_the_requested_share() -> None:
    pipeline = Pipeline(parse("limit 10 corrupt 2%"), 1)
    frame = numbered(7, 60)
    left = send(pipeline, ((number * 1000, frame) for number in range(PACKETS)))
    flips = [flipped_bits(frame, out) for _, out in left]
    assert set(flips) == {0, 1}
    assert sum(flips) == pytest.approx(0.02 * PACKETS, abs=4 * (0.02 * 0.98 * PACKETS) ** 0.5)
    assert pipeline.stats().counters.corrupted == sum(flips)


def test_any_bit_of_the_frame_may_flip() -> None:
    frame = numbered(0)
    left = send(Pipeline(parse("corrupt 100%"), 1), ((number * 1000, frame) for number in range(20_000)))
    masks = {int.from_bytes(frame, "big") ^ int.from_bytes(out, "big") for _, out in left}
    assert masks == {1 << bit for bit in range(8 * len(frame))}


def test_the_checksum_is_done_before_the_bit_flips() -> None:
    segment = ports(1, 2)
    header = struct.pack("=BBHHHH", 1, 0, 0, 0, 34, 16)
    pipeline = Pipeline(parse("corrupt 100%"), 1, frame_start=10)
    ((_, out),) = send(pipeline, [(0, header + ipv4(segment))])
    done = ipv4(segment[:16] + checksum(segment).to_bytes(2, "big") + segment[18:])
    assert out[0] == 0
    assert flipped_bits(done, out[10:]) == 1


def test_a_super_packet_is_left_alone_and_counted() -> None:
    frame = struct.pack("=BBHHHH", 1, 1, 0, 1448, 34, 16) + ipv4(ports(1, 2) + bytes(4000))
    pipeline = Pipeline(parse("corrupt 100%"), 1, frame_start=10)
    assert send(pipeline, [(0, frame)]) == [(0, frame)]
    assert pipeline.stats().counters.corruption_skipped == 1
    assert wants_segments(parse("corrupt 1%"))
    assert wants_segments(parse("per-segment"))
    assert not wants_segments(parse("loss 1%"))


def test_the_callers_frame_is_not_modified() -> None:
    frame = bytearray(numbered(5))
    before = bytes(frame)
    send(Pipeline(parse("corrupt 100%"), 1), [(0, frame)])
    assert frame == before
