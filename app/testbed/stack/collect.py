"""Extract raw files from an archive that an endpoint may have tampered with.

Only regular files with the names of the contract are extracted, each up to its cap, into a folder of the run: no links,
no other paths, no disk filled by a program under test.
"""

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from testbed.errors import HostError, file_attempt

_MEBIBYTE: Final = 1 << 20

CAPS_BYTES: Final = {
    "capture.pcap": 4096 * _MEBIBYTE,
    "sockets.csv": 1024 * _MEBIBYTE,
    "resources.csv": 256 * _MEBIBYTE,
    "link.json": 4 * _MEBIBYTE,
    "endpoint/events.csv": 4096 * _MEBIBYTE,
}
"""Files by their path below the output folder of a sidecar; the caps are far above what an hour produces."""

_BLOCK_BYTES: Final = _MEBIBYTE


class _Reader:
    """Read the chunks of an archive as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffered = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""
        chunks = [self._buffered]
        have = len(self._buffered)
        while have < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            chunks.append(chunk)
            have += len(chunk)
        data = b"".join(chunks)
        self._buffered = data[size:]
        return data[:size]


def _copy(source: IO[bytes], target: Path, cap_bytes: int) -> bool:
    left = cap_bytes
    with file_attempt(f"write {target}"), target.open("xb") as out:
        while left and (block := source.read(min(_BLOCK_BYTES, left))):
            out.write(block)
            left -= len(block)
    return not source.read(1)


def extract(chunks: Iterator[bytes], folder: Path, caps_bytes: Mapping[str, int] = CAPS_BYTES) -> list[str]:
    """Write the known files of an archive into `folder` under their last name; return a sentence for each flaw.

    Raises HostError when the archive itself cannot be read, or a file cannot be written.
    """
    notes: list[str] = []
    try:
        with tarfile.open(fileobj=_Reader(chunks), mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                name = member.name.partition("/")[2]
                target = folder / Path(name).name
                if name not in caps_bytes or target.exists():
                    continue
                source = tar.extractfile(member) if member.isreg() else None
                if source is None:
                    notes.append(f"{name} is not a regular file; it was not extracted")
                elif not _copy(source, target, caps_bytes[name]):
                    notes.append(f"{name} is larger than {caps_bytes[name]} bytes; it was truncated")
    except tarfile.TarError as error:
        raise HostError(f"unpack the raw files: {error}") from error
    return notes
