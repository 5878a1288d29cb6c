"""The index of a run on disk: `results.jsonl` is appended to while the run grows, and read at any time."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Self

from testbed.errors import DiskFullError, HostError, file_attempt
from testbed.run.folder import write_text
from testbed.run.index_lines import NAME, Index, IndexBuilder, index_text, line_of
from testbed.run.summary import Summary

SYNC_INTERVAL_S: Final = 1.0
"""A crash of the machine loses the lines of this time at most; that of the process loses none."""

_READ_BYTES: Final = 1 << 20


def read_index(run: Path) -> Index | None:
    """Return the index of a run folder; None if it has none, as before version 3. Raises HostError."""
    builder = IndexBuilder()
    with file_attempt(f"read {run / NAME}"):
        try:
            file = (run / NAME).open("rb")
        except FileNotFoundError:
            return None
        with file:
            while data := file.read(_READ_BYTES):
                builder.feed(data)
    return builder.index()


def is_complete(folder: Path) -> bool:
    """Return whether the folder of an attempt has its result."""
    return (folder / "result.json").is_file()


def finished(run: Path, index: Index) -> dict[str, Summary]:
    """Return the finished attempts by folder: in the index, and with their result on disk."""
    # Texts: paths as objects take longer than the look at the file system, of 100 000 cells.
    base, is_file = str(run), os.path.isfile
    return {name: each for name, each in index.by_folder.items() if is_file(f"{base}/{name}/result.json")}


def rewrite_index(run: Path, summaries: Iterable[Summary]) -> None:
    """Replace the index atomically by one with these attempts; raises HostError."""
    write_text(run / NAME, index_text(summaries))


class RunIndex:
    """Appends to the index of a run, from any thread; a context manager."""

    def __init__(self, run: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Open or create it, without a torn line at its end; raises HostError."""
        self._path = run / NAME
        self._clock = clock
        self._lock = threading.Lock()
        known = read_index(run)
        with file_attempt(f"write {self._path}"):
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._size = 0 if known is None else known.whole_bytes
            os.ftruncate(self._fd, self._size)
        self._synced_s = clock()

    def append(self, summary: Summary) -> None:
        """Add a finished attempt, with one write; raises HostError, and then the index is as before."""
        line = line_of(summary)
        with self._lock, file_attempt(f"write {self._path}"):
            try:
                written = os.write(self._fd, line)
            except OSError:
                written = 0
                raise
            finally:
                if written < len(line):
                    os.ftruncate(self._fd, self._size)
            if written < len(line):
                message = f"write {self._path}: only {written} of {len(line)} bytes fitted"
                raise DiskFullError(message, hint="free some space there")
            self._size += written
            if self._clock() - self._synced_s >= SYNC_INTERVAL_S:
                self._sync()

    def _sync(self) -> None:
        os.fdatasync(self._fd)
        self._synced_s = self._clock()

    def close(self) -> None:
        """Write everything to the disk."""
        with self._lock, file_attempt(f"write {self._path}"):
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                try:
                    os.fdatasync(fd)
                finally:
                    os.close(fd)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Close it; where an error ends the run, what closing meets is not reported in its place."""
        try:
            self.close()
        except HostError:
            if error is None:
                raise
