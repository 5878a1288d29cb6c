"""What `testbed list` shows: the runs of a folder, and the cells of a run. Quick for 100 000 cells."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from testbed.archive.folders import RunOnDisk, read_run, run_folders
from testbed.archive.trees import size_bytes
from testbed.errors import InputError
from testbed.result import cell_folder
from testbed.run.plan_document import planned_names
from testbed.run.summary import Summary

State = Literal["running", "complete", "interrupted"]

PENDING: Final = "pending"
"""The status of a cell that has not finished."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: `statuses` counts the last attempts of its cells, `bytes` is its size on the disk."""

    run: str
    scenario: str
    state: State
    cells: int
    finished: int
    statuses: dict[str, int]
    shards: str
    machine_names: list[str]
    bytes: int
    changed_ns: int
    """When its last attempt ended, or its documents were written; since the epoch."""


@dataclass(frozen=True, slots=True)
class CellRow:
    """One attempt at a planned cell; of a cell that has none yet, the status is `pending`."""

    folder: str
    status: str
    machine_name: str
    repetition: int
    attempt: int
    reused_from: str
    timing_reliable: bool | None
    duration_s: float | None
    goodput_bytes_per_s: float | None
    bytes: int
    reason: str


def last_attempts(run: RunOnDisk) -> dict[tuple[str, int], Summary]:
    """Return the last attempt of each finished cell and repetition."""
    found: dict[tuple[str, int], Summary] = {}
    for summary in run.finished.values():
        key = summary.cell, summary.repetition
        if key not in found or found[key].attempt < summary.attempt:
            found[key] = summary
    return found


def run_row(run: RunOnDisk) -> RunRow:
    """Return the line about a run; raises InputError if its plan is damaged."""
    try:
        planned = planned_names(run.document)
    except ValueError as error:
        raise InputError([f"{run.path / 'run.json'}: {error}"]) from error
    last = last_attempts(run)
    ended = [last[key] for key in planned if key in last]
    finished = [each for each in ended if each.failure_kind != "interrupted"]
    whole = len(finished) >= len(planned) and not run.document.get("missing_shards")
    shards = (run.document.get("selection") or {}).get("shards")
    return RunRow(
        run=run.run,
        scenario=str(run.document.get("scenario", "")),
        state="running" if run.is_running else "complete" if whole else "interrupted",
        cells=len(planned),
        finished=len(finished),
        statuses=dict(Counter(each.status for each in ended).most_common()),
        shards=f"{','.join(map(str, shards['numbers']))}/{shards['count']}" if shards else "",
        machine_names=sorted({each.machine_name for each in run.finished.values() if each.machine_name}),
        bytes=_size_bytes(run),
        changed_ns=max((each.ended_ns for each in run.finished.values()), default=0)
        or (run.path / "run.json").stat().st_mtime_ns,
    )


def _size_bytes(run: RunOnDisk) -> int:
    """Return the size of a run; of cells that the index has measured without looking at their files."""
    known = sum(each.bytes for each in run.finished.values())
    unknown = [each.folder for each in run.finished.values() if not each.bytes]
    with os.scandir(run.path) as entries:
        own = sum(entry.stat().st_blocks * 512 for entry in entries if entry.is_file(follow_symlinks=False))
    return known + own + sum(size_bytes(run.path / folder) for folder in unknown)


def run_rows(output: Path) -> Iterator[RunRow | InputError]:
    """Yield the runs below a folder, the newest first; of a damaged one, what is wrong with it."""
    for path in run_folders(output):
        try:
            yield run_row(read_run(path))
        except InputError as error:
            yield error


def cell_rows(run: RunOnDisk) -> Iterator[CellRow]:
    """Yield the attempts at the cells of a run in the order of its plan; raises InputError as `run_row`."""
    attempts: dict[tuple[str, int], list[Summary]] = {}
    for summary in run.finished.values():
        attempts.setdefault((summary.cell, summary.repetition), []).append(summary)
    try:
        planned = planned_names(run.document)
    except ValueError as error:
        raise InputError([f"{run.path / 'run.json'}: {error}"]) from error
    for cell, repetition in planned:
        ended = attempts.get((cell, repetition), [])
        if not ended:
            yield CellRow(cell_folder(cell, repetition), PENDING, "", repetition, 1, "", None, None, None, 0, "")
        for summary in sorted(ended, key=lambda summary: summary.attempt):
            yield CellRow(
                folder=summary.folder,
                status=summary.status,
                machine_name=summary.machine_name,
                repetition=repetition,
                attempt=summary.attempt,
                reused_from=summary.reused_from,
                timing_reliable=summary.timing_reliable,
                duration_s=summary.duration_s,
                goodput_bytes_per_s=summary.goodput_bytes_per_s,
                bytes=summary.bytes,
                reason=summary.reason,
            )


def document_of(row: RunRow | CellRow) -> Mapping[str, Any]:
    """Return a row for `--json`."""
    return asdict(row)
