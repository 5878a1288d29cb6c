"""Run folders: every document is written completely or not at all, and `latest` always points to a folder."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from testbed.errors import file_attempt
from testbed.units import format_bytes

_SECTOR_BYTES: Final = 512  # the unit of st_blocks, whatever the file system


def new_run_id(now: datetime | None = None) -> str:
    """Return an id that sorts by time: date, time (UTC) and six random hexadecimal digits."""
    return f"{(now or datetime.now(UTC)):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: a reader, or a crash, finds the old one or the new one; raises HostError."""
    part = path.with_name(f".{path.name}.part")
    with file_attempt(f"write {path}"):
        try:
            with part.open("w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def write_json(path: Path, document: object) -> None:
    """Write a document as JSON, completely or not at all."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def create_cell_folder(path: Path) -> None:
    """Create the folder of a cell, with one for each role; raises HostError, also if it exists."""
    with file_attempt(f"create the folder {path}"):
        for role in ("client", "server"):
            (path / role).mkdir(parents=True)


def create_run_folder(path: Path) -> None:
    """Create a run folder; raises HostError, also if it exists."""
    with file_attempt(f"create the run folder {path}"):
        path.mkdir(parents=True)


def point_latest(run: Path) -> None:
    """Point `latest`, a symbolic link beside the run folder, to it; the link is replaced atomically."""
    latest = run.parent / "latest"
    part = run.parent / f".latest-{run.name}"
    with file_attempt(f"point {latest} to the newest run"):
        part.unlink(missing_ok=True)
        part.symlink_to(run.name)
        try:
            part.replace(latest)
        except OSError:
            part.unlink()
            raise


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder; without files, create none."""
    for file, data in files.items():
        with file_attempt(f"write {folder / file}"):
            folder.mkdir(exist_ok=True)
            (folder / file).write_bytes(data)


class CappedFile:
    """A file that is written up to a cap and counts the bytes beyond it."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        with file_attempt(f"write {path}"):
            self._file = path.open("wb", buffering=0)
        self._left = cap_bytes
        self.dropped_bytes = 0

    def write(self, data: bytes) -> None:
        """Write what fits below the cap; raises HostError."""
        kept = data[: self._left]
        with file_attempt(f"write {self._file.name}"):
            remaining = memoryview(kept)
            while remaining:  # an almost full disk accepts a part
                remaining = remaining[self._file.write(remaining) :]
        self._left -= len(kept)
        self.dropped_bytes += len(data) - len(kept)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def folder_bytes(folder: Path) -> int:
    """Return the size of a folder on disk: of the blocks of all its files and folders. What vanishes counts as 0."""
    total = 0
    for parent, _, names in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in names)):  # noqa: PTH118 - twice as fast
            with contextlib.suppress(OSError):
                total += os.lstat(path).st_blocks * _SECTOR_BYTES
    return total


def free_text(folder: Path) -> str:
    """Return how much space the file system of a folder has left."""
    with contextlib.suppress(OSError):
        return f"{format_bytes(shutil.disk_usage(folder).free)} are free in {folder}"
    return f"the free space in {folder} is unknown"
