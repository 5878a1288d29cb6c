"""Any bytes give either a result or a CaptureError."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.analysis.packets.capture import analyse_capture, read_capture
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.model import Capture
from tests.support.captures import Segment, Wrapping, exchange, pcap, pcapng
from tests.support.effort import many
from tests.support.random_exchange import random_segments


def sources(segments: list[Segment]) -> list[bytes]:
    return [
        pcap(segments),
        pcap(segments, Wrapping("qinq", 6, extensions=(0, 60, 43))),
        pcap(segments, order=">", nanoseconds=False),
        pcapng(segments),
        pcapng(segments, Wrapping("sll2", 6)),
    ]


SOURCES = sources(exchange())


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


@settings(max_examples=many(50), deadline=None)
@given(st.sampled_from([data[:start] for data in SOURCES for start in (0, 4, 24, 28, 48)]), st.binary(max_size=400))
def test_random_bytes(start: bytes, tail: bytes) -> None:
    survives(start + tail)


@settings(max_examples=many(75), deadline=None)
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
    """A short exchange: one segment more is cut in no other way."""
    data = sources(exchange(2))[source]
    for size in range(0, len(data), 7):
        survives(data[:size])


@settings(max_examples=many(15), deadline=None)
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


@pytest.mark.parametrize("compress", [zstandard.compress, gzip.compress])
@pytest.mark.parametrize("source", [SOURCES[0], SOURCES[3]])
def test_read_from_a_compressed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: bytes, compress: Callable[[bytes], bytes]
) -> None:
    """From memory, and from the temporary file of a large one: the same frames, facts and offsets."""
    path = tmp_path / "any name"
    path.write_bytes(compress(source))
    expected = analyse_capture(source)
    for in_memory in (1 << 20, 0):
        monkeypatch.setattr("testbed.compressed.expand.MAX_IN_MEMORY_BYTES", in_memory)
        found = read_capture(path)
        assert found.facts == expected.facts
        np.testing.assert_array_equal(found.frames.marks, expected.frames.marks)
        np.testing.assert_array_equal(found.frames.time_ns, expected.frames.time_ns)


def test_the_sound_part_of_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap.zst"
    data = pcap(random_segments(2))
    whole = analyse_capture(data)
    half = zstandard.compress(data[: len(data) // 2])
    path.write_bytes(half + zstandard.compress(data[len(data) // 2 :])[:-5])
    found = read_capture(path)
    assert "the zstd data ends early" in found.facts.compression_flaw
    assert found.facts.truncated_at_byte is not None
    assert len(data) // 3 < found.facts.truncated_at_byte <= len(data)
    assert 0 < found.facts.packets < whole.facts.packets
    records = data[: 24 + 16 + int.from_bytes(data[32:36], "little")]
    path.write_bytes(zstandard.compress(records) + b"garbage")
    found = read_capture(path)
    assert (found.facts.packets, found.facts.truncated_at_byte) == (1, len(records))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zstandard.compress(b""), "expands to nothing"),
        (zstandard.compress(pcap(exchange()))[:9], "ends early, at byte 9"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 30, "the zstd data is corrupt"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 30, "the gzip data is corrupt"),
        (zstandard.compress(b"no capture"), "it begins with 6e 6f 20 63"),
    ],
)
def test_a_compressed_file_without_a_capture_is_one_error(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "capture.pcap.zst"
    path.write_bytes(data)
    with pytest.raises(CaptureError, match=reason):
        read_capture(path)


def test_a_bomb_is_one_error_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "capture.pcap.zst"
    path.write_bytes(zstandard.compress(pcap([]) + bytes(2000)))
    monkeypatch.setattr("testbed.compressed.expand.expand.__defaults__", (1000,))
    with pytest.raises(CaptureError, match="expands to more than 1000 bytes") as caught:
        read_capture(path)
    assert "zstd -dc" in caught.value.hint


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
