"""Compressed files are expanded whole, up to a limit, and as far as they are sound."""

import errno
import gzip
import mmap
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from testbed.compressed import expand as module
from testbed.compressed.expand import MAX_EXPANDED_BYTES, expand, method_of, stored
from testbed.stack.collect import CAPS_BYTES

TEXT = b"".join(struct.pack("<Q", number * number) for number in range(20_000))


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


def contents(path: Path) -> bytes:
    found = expand(path)
    assert found is not None
    assert not found.flaw
    return bytes(found.buffer)


@pytest.mark.parametrize(
    "compress",
    [
        zstandard.compress,
        zstandard.ZstdCompressor(level=19, write_checksum=True, write_content_size=False).compress,
        gzip.compress,
    ],
)
def test_what_is_compressed_expands_to_the_same(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = compress(TEXT)
    assert len(data) < len(TEXT)
    assert contents(saved(tmp_path, data)) == TEXT


def test_several_frames_and_one_without_content(tmp_path: Path) -> None:
    skippable = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
    frames = skippable + zstandard.compress(b"one ") + skippable + zstandard.compress(b"") + zstandard.compress(b"two")
    assert contents(saved(tmp_path, frames)) == b"one two"
    assert contents(saved(tmp_path, gzip.compress(b"one ") + gzip.compress(b"two"))) == b"one two"


def test_what_is_not_compressed_is_left_alone(tmp_path: Path) -> None:
    assert expand(saved(tmp_path, b"\xd4\xc3\xb2\xa1 a capture")) is None
    assert expand(saved(tmp_path, b"")) is None
    assert [method_of(start) for start in (b"", b"P", b"P*M\x18", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\x00")] == [
        *("", "", "zstd", "zstd", "gzip")
    ]


@pytest.mark.parametrize("in_memory", [0, 1000, len(TEXT), 1 << 25])
def test_what_is_large_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(module, "MAX_IN_MEMORY_BYTES", in_memory)
    found = expand(saved(tmp_path, zstandard.compress(TEXT)))
    assert found is not None
    assert isinstance(found.buffer, mmap.mmap if in_memory < len(TEXT) else bytes)
    assert found.buffer[:] == TEXT


@given(cut=st.integers(4, len(zstandard.compress(TEXT)) - 1))
def test_a_truncated_file_has_its_first_part(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = saved(tmp_path_factory.getbasetemp(), zstandard.compress(TEXT)[:cut])
    found = expand(path)
    assert found is not None
    assert found.flaw == f"the zstd data ends early, at byte {cut}"
    assert TEXT.startswith(bytes(found.buffer))


def test_a_truncated_file_has_more_than_nothing(tmp_path: Path) -> None:
    for data in (zstandard.compress(TEXT), gzip.compress(TEXT)):
        found = expand(saved(tmp_path, data[:-1]))
        assert found is not None
        assert len(found.buffer) > len(TEXT) / 4


@given(seed=st.integers(0, 2**32))
def test_a_corrupt_file_never_passes(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(TEXT))
    at = rng.randrange(4, len(data))
    data[at] ^= 1 << rng.randrange(8)
    found = expand(saved(tmp_path_factory.getbasetemp(), bytes(data)))
    assert found is not None
    assert found.flaw or bytes(found.buffer) == TEXT  # a bit of the header may have no meaning


def test_garbage_after_a_frame_is_a_flaw(tmp_path: Path) -> None:
    found = expand(saved(tmp_path, zstandard.compress(b"data") + b"garbage"))
    assert found is not None
    assert bytes(found.buffer) == b"data"
    assert "corrupt, before byte" in found.flaw


def test_a_bomb_is_refused_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of zeros in 32 KiB: no more than the limit is ever expanded."""
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    bomb = zstandard.compress(bytes(1 << 26), 19) * 16
    assert len(bomb) < 40_000
    found = expand(saved(tmp_path, bomb), max_bytes=1_000_000)
    assert found is not None
    assert found.too_large
    assert not found.buffer
    assert "more than 1000000 bytes" in found.flaw
    exact = expand(saved(tmp_path, zstandard.compress(bytes(1_000_000))), max_bytes=1_000_000)
    assert exact is not None
    assert not exact.too_large


def test_a_window_of_gigabytes_is_refused(tmp_path: Path) -> None:
    header = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([(31 - 10) << 3]) + b"\x00" * 3
    found = expand(saved(tmp_path, header))
    assert found is not None
    assert "corrupt" in found.flaw
    assert "memory" in found.flaw


def test_the_limit_is_that_of_a_cell() -> None:
    assert CAPS_BYTES["capture.pcap"] == MAX_EXPANDED_BYTES


def test_no_room_for_the_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "MAX_IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(OSError, match=f"temporary file in {tempfile.gettempdir()}: No space left") as caught:
        expand(saved(tmp_path, zstandard.compress(TEXT)))
    assert caught.value.errno == errno.ENOSPC


def test_the_raw_file_comes_first(tmp_path: Path) -> None:
    raw, compressed = tmp_path / "capture.pcap", tmp_path / "capture.pcap.zst"
    assert stored(raw) is None
    compressed.write_bytes(b"")
    assert stored(raw) == compressed
    raw.write_bytes(b"")
    assert stored(raw) == raw
