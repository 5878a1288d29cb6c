"""Send the small raw files of a cell over standard output, which costs far less than an archive of the engine.

An endpoint can write into its subfolder. Therefore only regular files are read, no link is followed, and nothing
blocks: what is no regular file, unreadable or too large is left for the container engine.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from netem.contract.session import FILES, MAX_SENT_BYTES, PIECE_BYTES, encode_piece, encode_reply


class _LeftError(Exception):
    """A file is not sent."""


def send_files(folder: Path, write: Callable[[str], object], max_bytes: int = MAX_SENT_BYTES, **facts: object) -> None:
    """Write each file in pieces, then the reply `files` with `facts`; it names the files that exist and are left."""
    left: list[str] = []
    for name in FILES:
        try:
            data = _read(folder / name, max_bytes)
        except FileNotFoundError:
            continue
        except (OSError, _LeftError):
            left.append(name)
            continue
        max_bytes -= len(data)
        for start in range(0, max(1, len(data)), PIECE_BYTES):
            write(encode_piece(name, data[start : start + PIECE_BYTES]))
    write(encode_reply("files", left=left, **facts))


def _read(path: Path, max_bytes: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _LeftError
        data = b""
        # The endpoint has exited, but its file may be longer than fstat reported a moment ago.
        while len(data) <= max_bytes and (block := os.read(fd, max_bytes + 1 - len(data))):
            data += block
    finally:
        os.close(fd)
    if len(data) > max_bytes:
        raise _LeftError
    return data
