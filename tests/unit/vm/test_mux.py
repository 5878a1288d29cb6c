import json
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.vm.mux import WINDOW_BYTES, FrameType, Mux, MuxError, MuxEvent


def exchange(source: Mux, target: Mux) -> list[MuxEvent]:
    events: list[MuxEvent] = []
    while source.pending_bytes:
        events += target.feed(source.next_bytes(1000))
    return events


def joined() -> tuple[Mux, Mux, int]:
    host, guest = Mux(), Mux()
    host.hello()
    channel = host.open()
    assert [event.type for event in exchange(host, guest)] == [FrameType.HELLO, FrameType.OPEN]
    return host, guest, channel


def test_bytes_go_both_ways() -> None:
    host, guest, channel = joined()
    host.send(channel, b"GET /")
    guest.send(channel, b"200")
    assert exchange(host, guest) == [MuxEvent(FrameType.DATA, channel, b"GET /")]
    assert exchange(guest, host) == [MuxEvent(FrameType.DATA, channel, b"200")]


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 40))
def test_frames_may_be_split_anywhere(chunks: list[bytes], step: int) -> None:
    host, guest, channel = joined()
    for chunk in chunks:
        host.send(channel, chunk)
    received: list[MuxEvent] = []
    while host.pending_bytes:
        received += guest.feed(host.next_bytes(step))
    assert b"".join(event.data for event in received) == b"".join(chunks)


def test_what_was_not_sent_comes_first_again() -> None:
    host, guest, channel = joined()
    host.send(channel, b"abcdef")
    taken = host.next_bytes(9)
    host.unsent(taken[4:])
    assert list(guest.feed(taken[:4])) == []
    assert exchange(host, guest) == [MuxEvent(FrameType.DATA, channel, b"abcdef")]


def test_a_window_fills_and_opens_again() -> None:
    host, guest, channel = joined()
    host.send(channel, b"x" * WINDOW_BYTES)
    assert host.writable_bytes(channel) == 0
    with pytest.raises(MuxError, match="which accepts 0"):
        host.send(channel, b"x")
    exchange(host, guest)
    guest.consumed(channel, WINDOW_BYTES // 2 - 1)
    assert guest.pending_bytes == 0, "credit is given in large pieces"
    guest.consumed(channel, 1)
    assert exchange(guest, host) == [MuxEvent(FrameType.CREDIT, channel)]
    assert host.writable_bytes(channel) == WINDOW_BYTES // 2


def test_one_full_channel_blocks_no_other() -> None:
    host, guest, full = joined()
    host.send(full, b"x" * WINDOW_BYTES)
    other = host.open()
    host.send(other, b"y")
    assert exchange(host, guest)[-1] == MuxEvent(FrameType.DATA, other, b"y")


def test_a_channel_ends_in_two_halves() -> None:
    host, guest, channel = joined()
    host.end(channel)
    assert host.writable_bytes(channel) == 0
    assert exchange(host, guest) == [MuxEvent(FrameType.END, channel)]
    guest.send(channel, b"answer after the question's end")
    guest.end(channel)
    assert [event.type for event in exchange(guest, host)] == [FrameType.DATA, FrameType.END]
    assert not host.is_open(channel)
    assert not guest.is_open(channel)


def test_frames_in_flight_to_an_aborted_channel_are_dropped() -> None:
    host, guest, channel = joined()
    guest.send(channel, b"late")
    host.reset(channel)
    assert exchange(guest, host) == []
    assert [event.type for event in exchange(host, guest)] == [FrameType.RESET]
    assert not guest.is_open(channel)


def test_a_hello_makes_both_ends_forget() -> None:
    host, guest, channel = joined()
    host.hello()
    assert exchange(host, guest) == [MuxEvent(FrameType.HELLO)]
    assert not guest.is_open(channel)
    assert host.open() != channel, "numbers are not used again at once"


def test_messages_are_objects() -> None:
    host, guest, _ = joined()
    host.message({"do": "wake", "n": 1})
    assert exchange(host, guest) == [MuxEvent(FrameType.MESSAGE, message={"do": "wake", "n": 1})]
    with pytest.raises(ValueError, match="exceeds the maximum"):
        host.message({"text": "x" * WINDOW_BYTES})


def frame(number: int, body: bytes = b"", channel: int = 0, length: int | None = None) -> bytes:
    return struct.pack("<BxHI", number, channel, len(body) if length is None else length) + body


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (frame(0), "invalid frame: type 0"),
        (frame(99), "invalid frame: type 99"),
        (frame(FrameType.DATA, length=WINDOW_BYTES + 1), "invalid frame"),
        (frame(FrameType.MESSAGE, b"{"), "not JSON"),
        (frame(FrameType.MESSAGE, json.dumps([1]).encode()), "not a JSON object"),
        (frame(FrameType.OPEN, channel=7) * 2, "opened twice"),
    ],
)
def test_invalid_bytes_are_rejected(data: bytes, message: str) -> None:
    with pytest.raises(MuxError, match=message):
        list(Mux().feed(data))


def test_garbage_raises_nothing_else() -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(500):
        try:
            list(Mux().feed(rng.randbytes(200)))
        except MuxError:
            refused += 1
    assert refused > 400
