import struct

import numpy as np
import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.read.pcapng import PcapngFile
from testbed.analysis.packets.read.records import UNKNOWN_TIME
from tests.support.captures import EPOCH_NS, Pcapng, Segment, Wrapping, exchange, pcap, pcapng

FRAME = Wrapping().frame(Segment(1, 2))


def times(data: bytes) -> list[int]:
    chunks = PcapngFile(data).chunks()
    return np.concatenate([records.time_ns for chunk in chunks for records in chunk.records]).tolist()


def file(order: str = "<", *, options: bytes = b"") -> Pcapng:
    return Pcapng().section(order).interface(options=options)  # type: ignore[arg-type]


def test_same_result_as_the_classic_format() -> None:
    classic, new = analyse_capture(pcap(exchange(500))), analyse_capture(pcapng(exchange(500)))
    assert new.frames.number.tolist() == classic.frames.number.tolist()
    assert new.frames.time_ns.tolist() == classic.frames.time_ns.tolist()
    assert new.frames.marks.tolist() == classic.frames.marks.tolist()
    assert new.facts.file_format == "pcapng"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "stamp", "expected_ns"),
    [
        (None, 1_000_001, 1_000_001_000),
        (3, 1001, 1_001_000_000),
        (9, 1_000_000_001, 1_000_000_001),
        (12, 1_000_000_001_999, 1_000_000_001),
        (0x80 | 1, 3, 1_500_000_000),
        (9, (1 << 63) + 5, UNKNOWN_TIME),
        (0x80 | 32, (7 << 32) | (1 << 31), 7_500_000_000),
    ],
)
def test_resolutions(order: str, resolution: int | None, stamp: int, expected_ns: int) -> None:
    made = Pcapng().section(order)  # type: ignore[arg-type]
    made.interface(options=b"" if resolution is None else made.option(9, bytes([resolution])))
    assert times(made.packet(FRAME, stamp).data()) == [expected_ns]


def test_time_offset() -> None:
    made = file()
    made = Pcapng().section().interface(options=made.option(14, struct.pack("<q", 100)))
    assert times(made.packet(FRAME, 5).data()) == [100_000_005_000]


def test_sections_of_either_byte_order_and_foreign_blocks() -> None:
    made = file("<").block(0xBAD, b"custom").packet(FRAME, 1).block(10, b"secrets!").drops(3)
    made.section(">").interface().packet(FRAME, 2).drops(4)
    read = PcapngFile(made.data())
    assert sum(chunk.packets for chunk in read.chunks()) == 2
    assert read.state.dropped_packets == 7
    assert times(made.data()) == [1000, 2000]


def test_interfaces_of_different_links() -> None:
    made = Pcapng().section().interface(1).interface(101)
    for number, segment in enumerate(exchange()):
        link = Wrapping("raw" if number % 2 else "ethernet")
        made.packet(link.frame(segment), number, interface=number % 2)
    capture = analyse_capture(made.data())
    assert capture.frames.number.tolist() == list(range(1, len(exchange()) + 1))
    assert capture.facts.link_types == (1, 101)
    assert not capture.frames.marks.any()


def test_simple_packets() -> None:
    made = Pcapng().section().interface(snaplen=len(FRAME) - 3).simple_packet(FRAME)
    (chunk,) = PcapngFile(made.data()).chunks()
    (records,) = chunk.records
    assert records.captured_bytes.tolist() == [len(FRAME) - 3]
    assert records.original_bytes.tolist() == [len(FRAME)]


GOOD = file().packet(FRAME, EPOCH_NS).data()


@pytest.mark.parametrize("size", range(28, len(GOOD)))
def test_a_truncated_tail(size: int) -> None:
    read = PcapngFile(GOOD[:size])
    assert sum(chunk.packets for chunk in read.chunks()) == 0
    assert read.state.truncated_at_byte == {28: None, 48: None}.get(size, 28 if size < 48 else 48)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x0d\x0d\x0a" + bytes(30), "byte-order magic"),
        (b"\x0a\x0d\x0d\x0a", "section header"),
        (Pcapng().section().data() + b"\x06\x00\x00\x00\x0d\x00\x00\x00" + bytes(40), "invalid block length 13"),
        (GOOD[:-4] + b"\x00\x00\x00\x00", "second length"),
        (Pcapng().section().packet(FRAME, 0).data(), "interface 0"),
        (Pcapng().section().simple_packet(FRAME).data(), "before any interface"),
        (file().block(6, bytes(16)).data(), "too short"),
        (file().block(3, b"").data(), "too short"),
        (file().block(1, b"").data(), "too short"),
        (file().block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99)).data(), "longer than its block"),
        (Pcapng().section().interface(options=file().option(14, struct.pack("<q", 2**60))).data(), "time offset"),
    ],
)
def test_a_malformed_file_is_one_error(data: bytes, reason: str) -> None:
    with pytest.raises(CaptureError, match=reason) as caught:
        list(PcapngFile(data).chunks())
    assert 0 <= caught.value.offset_bytes <= len(data)
