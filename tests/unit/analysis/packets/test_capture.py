"""Any bytes give either a result or a CaptureError."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.analysis.packets.capture import analyse_capture, read_capture
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.model import Capture
from tests.support.captures import Wrapping, exchange, pcap, pcapng
from tests.support.random_exchange import random_segments

SOURCES = [
    pcap(exchange()),
    pcap(exchange(), Wrapping("qinq", 6, extensions=(0, 60, 43))),
    pcap(exchange(), order=">", nanoseconds=False),
    pcapng(exchange()),
    pcapng(exchange(), Wrapping("sll2", 6)),
]


def attempt(data: bytes) -> Capture | CaptureError:
    try:
        return analyse_capture(data)
    except CaptureError as error:
        return error


def survives(data: bytes) -> None:
    result = attempt(data)
    if isinstance(result, CaptureError):
        assert 0 <= result.offset_bytes <= len(data)
        assert result.reason
        return
    assert len(result.frames) <= result.facts.packets <= len(data) // 12
    for connection in result.connections():
        assert len(connection.segments()) == len(connection.frames) > 0


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([data[:start] for data in SOURCES for start in (0, 4, 24, 28, 48)]), st.binary(max_size=400))
def test_random_bytes(start: bytes, tail: bytes) -> None:
    survives(start + tail)


@settings(max_examples=300, deadline=None)
@given(source=st.sampled_from(SOURCES), seed=st.integers(0, 2**32), changes=st.integers(1, 30))
def test_mutated(source: bytes, seed: int, changes: int) -> None:
    rng = random.Random(seed)
    data = bytearray(source)
    for _ in range(changes):
        at = rng.randrange(4, len(data))
        data[at] = rng.choice((0, 0xFF, 0x80, rng.randrange(256)))
    survives(bytes(data))


@pytest.mark.parametrize("source", range(len(SOURCES)))
def test_truncated_anywhere(source: int) -> None:
    data = SOURCES[source]
    for size in range(0, len(data), 7):
        survives(data[:size])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_interleaving_makes_no_difference(seed: int) -> None:
    """Every frame has the same marks whether connections are interleaved or consecutive."""
    segments = random_segments(seed)
    mixed = analyse_capture(pcap(segments))
    apart = sorted(segments, key=lambda segment: segment.ports)
    separate = analyse_capture(pcap(apart))
    by_port = {
        c.client.endpoint.port if c.client.endpoint.port != 8888 else c.server.endpoint.port: []
        for c in mixed.connections()
    }
    separate_marks: dict[int, list[int]] = {port: [] for port in by_port}
    for capture, into in ((mixed, by_port), (separate, separate_marks)):
        for connection in capture.connections():
            ports = {connection.client.endpoint.port, connection.server.endpoint.port} - {8888}
            into[ports.pop()].extend(connection.frames.marks.tolist())
    assert by_port == separate_marks


def test_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(SOURCES[0])
    np.testing.assert_array_equal(read_capture(path).frames.marks, analyse_capture(SOURCES[0]).frames.marks)


def test_an_empty_file_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(CaptureError, match="empty"):
        read_capture(path)


def test_no_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_capture(tmp_path / "none")


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is scanned in many parts, with its pages released in between."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap([*random_segments(2), *random_segments(5)]))
    whole = read_capture(path)
    monkeypatch.setattr("testbed.analysis.packets.read.pcap.SCAN_BYTES", 10_000)
    pieces = read_capture(path)
    np.testing.assert_array_equal(whole.frames.marks, pieces.frames.marks)
    np.testing.assert_array_equal(whole.frames.number, pieces.frames.number)
    assert whole.table.client == pieces.table.client
    assert whole.table.mss_bytes.tolist() == pieces.table.mss_bytes.tolist()
