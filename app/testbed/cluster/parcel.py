"""A cell's folder as one stream: a tar archive, compressed with zstd.

The receiver trusts no name and no size in it: plain files alone, at most one folder deep, up to a total size.
"""

import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import zstandard

from testbed.errors import HostError, file_attempt

LEVEL: Final = 3
"""Captures of headers shrink to a tenth at this level, at several hundred MB a second."""

MAX_FILES: Final = 64
MAX_EXPANDED_BYTES: Final = 16 << 30
"""More than two ends with the largest raw files that are extracted from containers usually have."""

MAX_WINDOW_BYTES: Final = 8 << 20
_BLOCK_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,99}(/[A-Za-z0-9][\w.-]{0,99})?", re.ASCII)


def pack(folder: Path, target: Path) -> int:
    """Write the folder's files as one parcel and return its size in bytes; raises HostError."""
    with file_attempt(f"pack {folder} as {target}"):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        with (
            target.open("wb") as out,
            zstandard.ZstdCompressor(level=LEVEL).stream_writer(out, closefd=False) as compressed,
            tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in files:
                _add(tar, path, path.relative_to(folder).as_posix())
        return target.stat().st_size


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as source:
        member = tarfile.TarInfo(name)
        member.size = os.fstat(source.fileno()).st_size
        tar.addfile(member, source)


class _Stream:
    """The pieces of a parcel as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = memoryview(piece)
        data, self._left = self._left[:size], self._left[size:]
        return bytes(data)


def unpack(pieces: Iterable[bytes], folder: Path, max_bytes: int = MAX_EXPANDED_BYTES) -> None:
    """Write the files of a parcel into a new folder, which appears complete or not at all.

    Raises HostError, also if the folder exists or the parcel has anything but plain files.
    """
    part = folder.with_name(f".{folder.name}.part")
    with _new_folder(part), _readable():
        reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(_Stream(pieces))  # type: ignore[arg-type]
        with tarfile.open(fileobj=reader, mode="r|") as tar:
            _extract(tar, part, max_bytes)
        with file_attempt(f"create the folder {folder}"):
            # Over an empty folder a rename succeeds; a cell's folder is never empty.
            part.rename(folder)


@contextmanager
def _new_folder(path: Path) -> Iterator[None]:
    """Provide an empty folder, and remove it if it is still there at the end."""
    shutil.rmtree(path, ignore_errors=True)
    with file_attempt(f"create the folder {path}"):
        path.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise HostError(f"unpack a cell's folder: {error}") from error


def _extract(tar: tarfile.TarFile, folder: Path, max_bytes: int) -> None:
    left_bytes = max_bytes
    for number, member in enumerate(tar, 1):
        source = tar.extractfile(member) if member.isreg() and _NAME.fullmatch(member.name) else None
        if source is None or number > MAX_FILES:
            raise HostError(f"unpack a cell's folder: {member.name!r} is no file that a cell has")
        left_bytes -= member.size
        if left_bytes < 0:
            raise HostError(f"unpack a cell's folder: it is larger than {max_bytes} bytes")
        _write(source, folder / member.name)


def _write(source: IO[bytes], target: Path) -> None:
    with file_attempt(f"write {target}"):
        target.parent.mkdir(exist_ok=True)
        with target.open("xb") as out:
            shutil.copyfileobj(source, out, _BLOCK_BYTES)
