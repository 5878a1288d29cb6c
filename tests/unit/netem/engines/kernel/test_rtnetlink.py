import struct

from netem.engines.kernel import rtnetlink


def acknowledgement(number: int, attributes: bytes = b"", kind: int = 2) -> bytes:
    request_header = bytes(16)
    body = struct.pack("=i", number) + request_header + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_zero_is_an_acknowledgement() -> None:
    assert rtnetlink.error_message(acknowledgement(0)) == ""


def test_the_kernels_own_message_comes_first() -> None:
    words = b"netem: cannot\0"
    other = struct.pack("=HHI", 8, 2, 0)
    attributes = other + struct.pack("=HH", 4 + len(words), 1) + words
    assert rtnetlink.error_message(acknowledgement(-22, attributes)) == "netem: cannot"


def test_an_error_number_without_a_message_is_named() -> None:
    assert rtnetlink.error_message(acknowledgement(-2)) == "No such file or directory"
    assert rtnetlink.error_message(acknowledgement(-22, b"\0\0\0\0")) == "Invalid argument"


def test_another_message_is_no_acknowledgement() -> None:
    assert rtnetlink.error_message(acknowledgement(0, kind=3)) == "unexpected message of type 3"
