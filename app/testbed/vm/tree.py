"""Write a file system as a tar stream from several sources: other streams, and files in memory.

Each path is written once, the first time. Nothing here knows where the stream goes.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Final, Self

_DIRECTORY_MODE: Final = 0o755
_RENAMED: Final = ("path", "linkpath")
"""PAX headers that would override a changed name."""

Rename = Callable[[str], str]


def clean(name: str) -> str:
    """Return a member's name without a leading `./` or `/` and without a trailing `/`; empty for the root."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name.strip("/")


def members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the members of a tar stream with their contents, to be read before the next one; reads it to its end."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            yield member, archive.extractfile(member) if member.isreg() else None
    while stream.read(1 << 16):
        pass


class Tree:
    """A file system on its way into a tar stream; a context manager, which writes the end of the stream."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20)  # noqa: SIM115
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        """Begin with an empty file system."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the stream; after an error it stays incomplete."""
        if kind is None:
            self._tar.close()

    def directory(self, path: str, mode: int = _DIRECTORY_MODE) -> None:
        """Write a folder of root, and those above it."""
        if not path or path in self._seen:
            return
        self.directory(path.rpartition("/")[0])
        member = tarfile.TarInfo(path)
        member.type, member.mode = tarfile.DIRTYPE, mode
        self._write(member)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file of root."""
        self.directory(path.rpartition("/")[0])
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(data), mode
        self._write(member, io.BytesIO(data))

    def symlink(self, path: str, target: str) -> None:
        """Write a symbolic link of root."""
        self.directory(path.rpartition("/")[0])
        member = tarfile.TarInfo(path)
        member.type, member.linkname = tarfile.SYMTYPE, target
        self._write(member)

    def copy(self, member: tarfile.TarInfo, content: IO[bytes] | None, prefix: str = "") -> None:
        """Write a member of another archive below a folder; a hard link keeps its target in the same folder."""
        name = clean(member.name)
        path = "/".join(part for part in (prefix, name) if part)
        self.directory(path.rpartition("/")[0])
        copied = member.replace(name=path, deep=True)
        if member.islnk():
            copied.linkname = "/".join(part for part in (prefix, clean(member.linkname)) if part)
        copied.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in _RENAMED}
        self._write(copied, content)

    def _write(self, member: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
        if member.name and member.name not in self._seen:
            self._seen.add(member.name)
            self._tar.addfile(member, content)
