import json

import pytest

from netem.probe.delays import Delays
from netem.probe.message import (
    ECHO,
    PROBE,
    PROBE_BYTES,
    Command,
    Egress,
    Probe,
    Reply,
    Request,
    decode_probe,
    decode_reply,
    decode_request,
    encode_probe,
    encode_reply,
    encode_request,
)


def test_a_probe_and_back() -> None:
    for probe in (Probe(PROBE, 2**63 - 1, 2**32 - 1, 5), Probe(ECHO, 0, 0, 1, 2, 3, 2**32 - 1, 4)):
        datagram = encode_probe(probe)
        assert len(datagram) == PROBE_BYTES == 64
        assert decode_probe(datagram) == probe


def test_a_probe_cut_or_longer_or_of_another_kind_is_none() -> None:
    datagram = encode_probe(Probe(PROBE, 1, 2, 3))
    for length in range(PROBE_BYTES):
        assert decode_probe(datagram[:length]) is None
    assert decode_probe(datagram + b"\0") is None
    assert decode_probe(b"x" + datagram[1:]) is None
    assert decode_probe(encode_probe(Probe(3, 1, 2, 3))) is None


def test_the_layout_of_a_probe() -> None:
    """Sidecars of different versions must agree on it."""
    datagram = encode_probe(Probe(ECHO, 1, 2, 3, 4, 5, 6, 7))
    fields = "746270310200000000000000000000010000000200000000000000030000000000000004000000000000000500000006"
    assert datagram.hex() == fields + "0000000000000007" + "00" * 8


@pytest.mark.parametrize("command", list(Command))
def test_a_request_and_back(command: Command) -> None:
    datagram = encode_request(Request(command, 5))
    assert datagram == f'{{"kind":"{command}","session":5}}'.encode()
    assert decode_request(datagram) == Request(command, 5)
    assert decode_reply(datagram) is None


def test_a_reply_and_back() -> None:
    reply = Reply(Command.REPORT, 5, Egress("delay 5ms", 500_000), 3, Delays(1, 2, 3, 4), 9)
    datagram = encode_reply(reply)
    assert datagram == (
        b'{"kind":"reported","session":5,"impairment":"delay 5ms","delay_tolerance_ns":500000,"received":3,'
        b'"delays":{"min":1,"p50":2,"p99":3,"max":4},"monotonic_ns":9}'
    )
    assert decode_reply(datagram) == reply
    assert decode_request(datagram) is None
    nothing = Reply(Command.HELLO, 5, Egress("", 7), 0, None, 9)
    assert b'"kind":"helloed"' in encode_reply(nothing)
    assert decode_reply(encode_reply(nothing)) == nothing


WHOLE = json.loads(encode_reply(Reply(Command.FINISH, 5, Egress("", 7), 0, Delays(1, 2, 3, 4), 9)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "finish"},
        {"kind": ["finished"]},
        {"session": "5"},
        {"received": 1.5},
        {"delays": 7},
        {"delays": {"min": 1}},
        {"delays": {"min": 1, "p50": 2, "p99": 3, "max": "4"}},
        {"monotonic_ns": None},
    ],
)
def test_a_reply_with_a_wrong_field_is_none(wrong: dict[str, object]) -> None:
    assert decode_reply(json.dumps(WHOLE).encode())
    assert decode_reply(json.dumps(WHOLE | wrong).encode()) is None


@pytest.mark.parametrize("missing", list(WHOLE))
def test_a_reply_without_a_field_is_none(missing: str) -> None:
    assert decode_reply(json.dumps({key: value for key, value in WHOLE.items() if key != missing}).encode()) is None


@pytest.mark.parametrize(
    "foreign",
    [b"", b"{", b"\xff\xfe\xfd", b"[]", b"7", b"{}", b'{"kind":"hello","session":"5"}', b"null", b"[" * 100_000],
)
def test_foreign_bytes_are_none(foreign: bytes) -> None:
    assert decode_request(foreign) is None
    assert decode_reply(foreign) is None
