"""Expand a file that is compressed with zstd or gzip, block by block and up to a limit.

What can be expanded of a truncated or corrupt file is returned, with the flaw: half a capture shows half a transfer.
"""

import mmap
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

MAX_EXPANDED_BYTES: Final = 4 << 30
"""A few kilobytes can claim to be terabytes; this is the most that a cell's capture can have (`stack.collect`)."""

MAX_IN_MEMORY_BYTES: Final = 32 << 20
"""What is larger goes to a temporary file without a name, so that memory does not grow with the file."""

FEED_BYTES: Final = 1024
"""Read at once. It bounds the memory: zstd's best ratio is 128 KiB for 4 bytes, so 1024 become at most 32 MiB."""

MAX_WINDOW_BYTES: Final = 128 << 20
"""Memory that a zstd file may require, as the zstd command allows it."""

ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f: a zstd frame without content
GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Expanded:
    """The contents of a compressed file: `flaw` describes how they end early, empty where they are complete."""

    buffer: bytes | mmap.mmap
    flaw: str = ""
    too_large: bool = False


class _Decoder(Protocol):
    """One frame of a compressed file."""

    @property
    def eof(self) -> bool:
        """Return whether the frame is complete."""

    @property
    def unused_data(self) -> bytes:
        """Return what follows the complete frame in the bytes that were passed."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what these bytes expand to."""


def _zstd_frames() -> tuple[Callable[[], _Decoder], type[Exception]]:
    import zstandard  # noqa: PLC0415 - most captures are not compressed

    factory = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    return factory.decompressobj, zstandard.ZstdError


def _gzip_frames() -> tuple[Callable[[], _Decoder], type[Exception]]:
    return lambda: zlib.decompressobj(wbits=31), zlib.error


def stored(path: Path) -> Path | None:
    """Return the file under this name, else the compressed one under the same name with `.zst`; None without both."""
    return next((each for each in (path, zst_path(path)) if each.is_file()), None)


def zst_path(path: Path) -> Path:
    """Return the name under which a file is kept compressed."""
    return path.with_name(f"{path.name}.zst")


def method_of(start: bytes) -> str:
    """Return how a file that begins with these bytes is compressed: `zstd`, `gzip`, or empty for not at all."""
    if start.startswith(ZSTD) or (start[1:4] == _SKIPPABLE and start[0] >> 4 == 5):
        return "zstd"
    return "gzip" if start.startswith(GZIP) else ""


def expand(path: Path, max_bytes: int = MAX_EXPANDED_BYTES) -> Expanded | None:
    """Return the contents of a compressed file, None for one that is not compressed; raises OSError."""
    with path.open("rb") as source:
        method = method_of(source.read(4))
        if not method:
            return None
        source.seek(0)
        return _collect(_Frames(source, method), max_bytes)


class _Frames:
    """The frames of a compressed file, one after another."""

    def __init__(self, source: IO[bytes], method: str) -> None:
        self._source = source
        self._method = method
        self._new, self._error = _zstd_frames() if method == "zstd" else _gzip_frames()
        self.flaw = ""

    def pieces(self) -> Iterator[bytes]:
        """Yield what the frames expand to, at most 32 MiB at once; `flaw` is known after the last piece."""
        frame, is_complete, read_bytes = self._new(), True, 0
        while data := self._source.read(FEED_BYTES):
            read_bytes += len(data)
            is_complete = False
            while data:
                try:
                    yield frame.decompress(data)
                except self._error as error:
                    self.flaw = f"the {self._method} data is corrupt, before byte {read_bytes}: {error}"
                    return
                data = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, is_complete = self._new(), not data
        if not is_complete:
            self.flaw = f"the {self._method} data ends early, at byte {read_bytes}"


def _collect(frames: _Frames, max_bytes: int) -> Expanded:
    """Return all pieces as one buffer: in memory, or in a temporary file where there are many."""
    memory = bytearray()
    size_bytes = 0
    with ExitStack() as stack:
        file: IO[bytes] | None = None
        for piece in frames.pieces():
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                flaw = f"it expands to more than {max_bytes} bytes, the limit for a compressed capture"
                return Expanded(b"", flaw, too_large=True)
            if file is None and len(memory) + len(piece) > MAX_IN_MEMORY_BYTES:
                file = stack.enter_context(tempfile.TemporaryFile())
                _write(file, memory)
                memory.clear()
            if file is None:
                memory += piece
            else:
                _write(file, piece)
        if file is None:
            return Expanded(bytes(memory), frames.flaw)
        file.flush()
        # The map keeps the file, which has no name, until the last reader has dropped it.
        return Expanded(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), frames.flaw)


def _write(file: IO[bytes], data: bytes | bytearray) -> None:
    try:
        file.write(data)
    except OSError as error:
        attempt = f"expand into a temporary file in {tempfile.gettempdir()}"
        raise OSError(error.errno, f"{attempt}: {error.strerror}") from error
