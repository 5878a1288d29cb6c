"""Copy files into and out of containers as tar archives."""

import io
import tarfile
from collections.abc import Iterable, Mapping

READABLE = 0o644
RUNNABLE = 0o755


def packed(files: Mapping[str, bytes], mode: int = READABLE) -> bytes:
    """Return a tar archive of files by path."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def unpacked(chunks: Iterable[bytes]) -> bytes:
    """Return the one file of an archive."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        assert member is not None
        return member.read()
