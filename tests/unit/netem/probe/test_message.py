import pytest

from netem.probe.message import (
    ECHO,
    PROBE,
    PROBE_BYTES,
    Probe,
    decode_control,
    decode_probe,
    encode_control,
    encode_probe,
)


def test_a_probe_and_back() -> None:
    for probe in (Probe(PROBE, 2**63 - 1, 2**32 - 1, 5), Probe(ECHO, 0, 0, 1, 2, 3)):
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


def test_a_message_and_back() -> None:
    message = {"kind": "hello", "session": 5, "impairment": "delay 5ms"}
    assert decode_control(encode_control(message)) == message


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\xff\xfe\xfd", b"[]", b"7", b"{}", b'{"session":"5"}', b"null"])
def test_rubbish_is_none(rubbish: bytes) -> None:
    assert decode_control(rubbish) is None
