import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.read.pcap import PcapFile
from tests.support.captures import EPOCH_NS, Wrapping, exchange, pcap, spaced

SEGMENTS = spaced([replace(segment, length=7) for segment in exchange(300)], step_ns=1_000_003)


def numbers(data: bytes) -> tuple[list[int], list[int]]:
    chunks = list(PcapFile(data).chunks())
    times = [chunk.records[0].time_ns for chunk in chunks]
    counts = [chunk.records[0].number for chunk in chunks]
    return np.concatenate(times).tolist(), np.concatenate(counts).tolist()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [True, False])
def test_all_four_kinds(order: str, nanoseconds: bool) -> None:
    times, counts = numbers(pcap(SEGMENTS, order=order, nanoseconds=nanoseconds))  # type: ignore[arg-type]
    unit = 1 if nanoseconds else 1000
    assert times == [segment.time_ns // unit * unit for segment in SEGMENTS]
    assert counts == list(range(1, len(SEGMENTS) + 1))
    assert times[0] == EPOCH_NS


def test_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pcap(SEGMENTS)
    expected = numbers(data)
    monkeypatch.setattr("testbed.analysis.packets.read.pcap.SCAN_BYTES", 1000)
    file = PcapFile(data)
    assert len(list(file.chunks())) > 10
    assert numbers(data) == expected
    monkeypatch.setattr("testbed.analysis.packets.read.pcap.CHUNK_RECORDS", 7)
    assert numbers(data) == expected


@given(size=st.integers(24, 24 + 20 * 77))
def test_a_truncated_tail(size: int) -> None:
    data = pcap(SEGMENTS[:20], Wrapping("raw"))
    size = min(size, len(data))
    whole, at = 0, 24
    while at + 16 <= size and at + 16 + struct.unpack_from("<I", data, at + 8)[0] <= size:
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        whole += 1
    file = PcapFile(data[:size])
    assert sum(chunk.packets for chunk in file.chunks()) == whole
    assert file.state.truncated_at_byte == (None if at == size else at)


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (b"", 0, "begins with nothing"),
        (b"GIF89a", 0, "begins with 47 49 46 38"),
        (pcap([])[:20], 20, "header of 24 bytes"),
        (pcap(SEGMENTS[:1]) + b"\xff" * 16, 24 + 16 + 74 + 4 + 8, "4294967295 bytes"),
    ],
)
def test_a_malformed_file_is_one_error_with_its_offset(data: bytes, offset: int, reason: str) -> None:
    with pytest.raises(CaptureError, match=reason) as caught:
        list(PcapFile(data).chunks())
    if "4294967295" not in reason:
        assert caught.value.offset_bytes == offset
    else:
        assert caught.value.offset_bytes == len(data) - 8


def test_an_empty_capture_has_no_packets() -> None:
    file = PcapFile(pcap([]))
    assert not list(file.chunks())
    assert file.state.truncated_at_byte is None
