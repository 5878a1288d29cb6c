"""What a run keeps of a cell after it has been judged: raw files, compressed captures, or the result alone."""

import contextlib
import shutil
from pathlib import Path
from typing import Final, Literal

from testbed.compressed.compress import compress
from testbed.errors import file_attempt
from testbed.result import CellRecord, Failure, Result
from testbed.run.cell import Observer
from testbed.run.executor import Attempt, Executor
from testbed.run.folder import write_json
from testbed.run.stop import Stop
from testbed.scenario.ends import ROLES

Retain = Literal["all", "failed", "summary"]
"""Of which cells the raw files are kept: of all, of those that have not passed, of none."""

NOT_RETAINED: Final = "raw files were not retained"
"""Begins the note of a cell whose raw files a run has removed."""

CAPTURE: Final = "capture.pcap"


def keeps_raw(retain: Retain, result: Result) -> bool:
    """Return whether the raw files of a cell with this result are kept."""
    return retain == "all" or (retain == "failed" and result.status != "passed")


def settle(folder: Path, result: Result, retain: Retain, *, compressed: bool) -> Result:
    """Keep of a judged cell what `retain` says, its captures compressed if so requested; return its result.

    May be repeated. Raises HostError; then the cell is complete, but larger than requested.
    """
    if not keeps_raw(retain, result):
        return _remove_raw(folder, result, retain)
    for capture in (folder / role / CAPTURE for role in ROLES if compressed):
        if capture.is_file():
            with file_attempt(f"compress {capture}"):
                compress(capture)
    return result


def _record(folder: Path) -> CellRecord:
    from testbed.analysis.join.cell_folder import read_record  # noqa: PLC0415 - slow to import, done by the first cell

    return read_record(folder)


def _remove_raw(folder: Path, result: Result, retain: Retain) -> Result:
    """Remove the raw files, after both documents have a note of it, so that no crash leaves neither."""
    note = f"{NOT_RETAINED} (--retain {retain})"
    if note not in result.notes:
        record = _record(folder)
        record.notes.append(note)
        result = result.model_copy(update={"notes": [*result.notes, note]})
        write_json(folder / "cell.json", record.model_dump())
        write_json(folder / "result.json", result.model_dump())
    for role in ROLES:
        with file_attempt(f"remove {folder / role}"), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder / role)
    return result


class Retaining:
    """An executor whose attempts keep what a run retains, as soon as they have been judged."""

    def __init__(self, executor: Executor, retain: Retain, *, compressed: bool) -> None:
        """With `compressed`, captures that are kept are kept as zstd."""
        self._executor = executor
        self._retain: Retain = retain
        self._compressed = compressed

    def execute(self, attempt: Attempt, observer: Observer, stop: Stop) -> Result:
        """Run one attempt; see `Executor`."""
        result = self._executor.execute(attempt, observer, stop)
        return settle(attempt.folder, result, self._retain, compressed=self._compressed)

    def abandon(self, attempt: Attempt, failure: Failure) -> Result:
        """Conclude an attempt that hangs; see `Executor`."""
        return self._executor.abandon(attempt, failure)


def is_retained(folder: Path) -> bool:
    """Return whether a run has kept the raw files of a cell, if it had any."""
    return not any(note.startswith(NOT_RETAINED) for note in _record(folder).notes)


def has_raw_files(folder: Path) -> bool:
    """Return whether a cell's folder has any raw file."""
    return any(path.is_file() for role in ROLES for path in (folder / role).glob("*"))
