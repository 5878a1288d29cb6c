"""Run folders: every document is written whole or not at all, and `latest` never points nowhere."""

import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed.errors import file_attempt


def new_run_id(now: datetime | None = None) -> str:
    """Return an id that sorts by time: date, time (UTC) and six random digits."""
    return f"{(now or datetime.now(UTC)):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the new one; raises HostError."""
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
    """Write a document as JSON, whole or not at all."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


class RunFolder:
    """The folder of one run below `parent`."""

    def __init__(self, parent: Path, run: str) -> None:
        self.run = run
        self.path = parent / run
        with file_attempt(f"make the run folder {self.path}"):
            self.path.mkdir(parents=True)

    def cell(self, cell: str) -> Path:
        """Make the folder of a cell, with one for each role, and return it."""
        path = self.path / cell
        with file_attempt(f"make the folder {path}"):
            for role in ("client", "server"):
                (path / role).mkdir(parents=True)
        return path

    def point_latest(self) -> None:
        """Let `latest` beside the run folder point to it; a symbolic link that is replaced in one step."""
        latest = self.path.parent / "latest"
        part = self.path.parent / f".latest-{self.run}"
        with file_attempt(f"let {latest} point to the newest run"):
            part.symlink_to(self.run)
            try:
                part.replace(latest)
            except OSError:
                part.unlink()
                raise

    def write_json(self, name: str, document: dict[str, Any]) -> None:
        """Write a document of the run as a whole."""
        write_json(self.path / name, document)

    def write_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write files into a folder of the run's; no files, no folder."""
        for file, data in files.items():
            with file_attempt(f"write {self.path / name / file}"):
                (self.path / name).mkdir(exist_ok=True)
                (self.path / name / file).write_bytes(data)


class CappedFile:
    """A file that takes what it is given up to a cap and says at the end how much was left out."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        with file_attempt(f"write {path}"):
            self._file = path.open("wb", buffering=0)
        self._left = cap_bytes
        self.dropped_bytes = 0

    def write(self, data: bytes) -> None:
        """Write what still fits; raises HostError."""
        taken = data[: self._left]
        with file_attempt(f"write {self._file.name}"):
            rest = memoryview(taken)
            while rest:  # a disk that is all but full takes a part
                rest = rest[self._file.write(rest) :]
        self._left -= len(taken)
        self.dropped_bytes += len(data) - len(taken)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
