"""Replace a complete file by its compressed form: a crash leaves one of them, and links to it stay as they are."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from testbed.compressed.expand import MAX_EXPANDED_BYTES, zst_path

LEVEL: Final = 3
"""The default level of the zstd command."""

_BLOCK_BYTES: Final = 1 << 20


def compress(path: Path) -> Path:
    """Replace a file by `NAME.zst`, which the zstd command reads; return the new path.

    Raises OSError, and then nothing has changed. The file itself is never written to: other hard links to it keep
    their contents. One that could not be expanded again, for its size, stays.
    """
    import zstandard  # noqa: PLC0415 - only a run with several cells compresses

    size_bytes = path.stat().st_size
    if size_bytes > MAX_EXPANDED_BYTES:
        return path
    target = zst_path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        with path.open("rb") as source, part.open("wb") as out:
            compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
            compressor.copy_stream(source, out, size=size_bytes, read_size=_BLOCK_BYTES)
            out.flush()
            os.fsync(out.fileno())
        shutil.copystat(path, part)
        part.replace(target)
    except (OSError, zstandard.ZstdError) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise
        raise OSError(0, f"{error}", str(path)) from error
    path.unlink()
    return target
