import json
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.vm.mux import WINDOW_BYTES, Event, Kind, Mux, MuxError


def exchange(source: Mux, target: Mux) -> list[Event]:
    events: list[Event] = []
    while source.pending_bytes:
        events += target.feed(source.take(1000))
    return events


def joined() -> tuple[Mux, Mux, int]:
    host, guest = Mux(), Mux()
    host.hello()
    channel = host.open()
    assert [event.kind for event in exchange(host, guest)] == [Kind.HELLO, Kind.OPEN]
    return host, guest, channel


def test_bytes_go_both_ways() -> None:
    host, guest, channel = joined()
    host.send(channel, b"GET /")
    guest.send(channel, b"200")
    assert exchange(host, guest) == [Event(Kind.DATA, channel, b"GET /")]
    assert exchange(guest, host) == [Event(Kind.DATA, channel, b"200")]


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 40))
def test_frames_may_be_cut_anywhere(chunks: list[bytes], step: int) -> None:
    host, guest, channel = joined()
    for chunk in chunks:
        host.send(channel, chunk)
    seen: list[Event] = []
    while host.pending_bytes:
        seen += guest.feed(host.take(step))
    assert b"".join(event.data for event in seen) == b"".join(chunks)


def test_what_was_not_sent_comes_first_again() -> None:
    host, guest, channel = joined()
    host.send(channel, b"abcdef")
    taken = host.take(9)
    host.give_back(taken[4:])
    assert list(guest.feed(taken[:4])) == []
    assert exchange(host, guest) == [Event(Kind.DATA, channel, b"abcdef")]


def test_a_window_fills_and_opens_again() -> None:
    host, guest, channel = joined()
    host.send(channel, b"x" * WINDOW_BYTES)
    assert host.writable_bytes(channel) == 0
    with pytest.raises(MuxError, match="which takes 0"):
        host.send(channel, b"x")
    exchange(host, guest)
    guest.consumed(channel, WINDOW_BYTES // 2 - 1)
    assert guest.pending_bytes == 0, "credit is given in large pieces"
    guest.consumed(channel, 1)
    assert exchange(guest, host) == [Event(Kind.CREDIT, channel)]
    assert host.writable_bytes(channel) == WINDOW_BYTES // 2


def test_one_full_channel_holds_up_no_other() -> None:
    host, guest, full = joined()
    host.send(full, b"x" * WINDOW_BYTES)
    other = host.open()
    host.send(other, b"y")
    assert exchange(host, guest)[-1] == Event(Kind.DATA, other, b"y")


def test_a_channel_ends_in_two_halves() -> None:
    host, guest, channel = joined()
    host.end(channel)
    assert host.writable_bytes(channel) == 0
    assert exchange(host, guest) == [Event(Kind.END, channel)]
    guest.send(channel, b"answer after the question's end")
    guest.end(channel)
    assert [event.kind for event in exchange(guest, host)] == [Kind.DATA, Kind.END]
    assert not host.is_open(channel)
    assert not guest.is_open(channel)


def test_what_is_under_way_to_a_channel_given_up_is_dropped() -> None:
    host, guest, channel = joined()
    guest.send(channel, b"late")
    host.reset(channel)
    assert exchange(guest, host) == []
    assert [event.kind for event in exchange(host, guest)] == [Kind.RESET]
    assert not guest.is_open(channel)


def test_a_hello_makes_both_ends_forget() -> None:
    host, guest, channel = joined()
    host.hello()
    assert exchange(host, guest) == [Event(Kind.HELLO)]
    assert not guest.is_open(channel)
    assert host.open() != channel, "numbers are not used again at once"


def test_messages_are_objects() -> None:
    host, guest, _ = joined()
    host.message({"do": "wake", "n": 1})
    assert exchange(host, guest) == [Event(Kind.MESSAGE, message={"do": "wake", "n": 1})]
    with pytest.raises(ValueError, match="is the most"):
        host.message({"text": "x" * WINDOW_BYTES})


def frame(kind: int, body: bytes = b"", channel: int = 0, length: int | None = None) -> bytes:
    return struct.pack("<BxHI", kind, channel, len(body) if length is None else length) + body


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (frame(0), "no frame: kind 0"),
        (frame(99), "no frame: kind 99"),
        (frame(Kind.DATA, length=WINDOW_BYTES + 1), "no frame"),
        (frame(Kind.MESSAGE, b"{"), "no JSON"),
        (frame(Kind.MESSAGE, json.dumps([1]).encode()), "no object"),
        (frame(Kind.OPEN, channel=7) * 2, "opened twice"),
    ],
)
def test_nonsense_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(MuxError, match=says):
        list(Mux().feed(data))


def test_rubbish_raises_nothing_else() -> None:
    rng = random.Random(5)
    refused = 0
    for _ in range(500):
        try:
            list(Mux().feed(rng.randbytes(200)))
        except MuxError:
            refused += 1
    assert refused > 400
