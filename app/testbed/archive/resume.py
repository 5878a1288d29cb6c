"""Resume a run: which of its cells are finished, and a folder in which only those are.

A cell is kept if its last attempt is finished and is a result: `passed`, `failed` or `unsupported`. An `error` says
nothing about the cell, and is repeated, as is what was torn by a crash.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from testbed.archive.folders import RunOnDisk, link_files, read_run
from testbed.errors import InputError, file_attempt
from testbed.result import cell_folder
from testbed.run.index import rewrite_index
from testbed.run.plan_document import check_same, planned_cells
from testbed.run.run_plan import Continued
from testbed.run.summary import Summary
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.scenario.select import Selection


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run to be continued: its scenario as it was planned, and the attempts that are kept."""

    scenario: Scenario
    continued: Continued
    repeated: tuple[str, ...]
    """Folders of attempts that ended with an error, or were torn, and are repeated."""


def load_resumable(path: Path, given: Scenario | None = None) -> Resumed:
    """Return what is to be resumed, and change nothing yet; `given` is the scenario of a file, before any selection.

    Raises InputError if the run has no usable plan, or not the cells of the scenario, and HostError.
    """
    run = read_run(path)
    cells = _planned(run)
    files = link_files(path)
    if given is not None:
        selection = Selection.of_document(run.document.get("selection") or {})
        check_same(run.run, cells, selection.apply(given.cells), (files, given.files))
    scenario = Scenario(
        name=str(run.document.get("scenario", "")),
        description=str(run.document.get("description", "")),
        cells=cells,
        files=files,
    )
    kept = kept_attempts(cells, run.finished)
    names = {summary.folder for summary in kept}
    repeated = tuple(name for name in _attempt_folders(path, cells) if name not in names)
    continued = Continued(path, run.document, kept, partial(clear_torn, path, kept, repeated))
    return Resumed(scenario, continued, repeated)


def _planned(run: RunOnDisk) -> tuple[PlannedCell, ...]:
    try:
        return planned_cells(run.document)
    except (ValueError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            [f"{run.path / 'run.json'}: its plan is not usable: {reason}"], hint="start a new run of the scenario"
        ) from error


def kept_attempts(cells: Sequence[PlannedCell], finished: Mapping[str, Summary]) -> tuple[Summary, ...]:
    """Return the attempts of the cells that are finished, in the order in which they ended."""
    planned = {(cell.id, cell.repetition) for cell in cells}
    last: dict[tuple[str, int], Summary] = {}
    for summary in finished.values():
        key = summary.cell, summary.repetition
        if key in planned and (key not in last or last[key].attempt < summary.attempt):
            last[key] = summary
    whole = {key for key, summary in last.items() if summary.status != "error" and _is_whole(summary, finished)}
    return tuple(summary for summary in finished.values() if (summary.cell, summary.repetition) in whole)


def _is_whole(summary: Summary, finished: Mapping[str, Summary]) -> bool:
    """Return whether the attempts before this one are there, too."""
    earlier = range(1, summary.attempt)
    return all(cell_folder(summary.cell, summary.repetition, number) in finished for number in earlier)


def _attempt_folders(path: Path, cells: Sequence[PlannedCell]) -> list[str]:
    """Return the folders that are attempts at the cells, whole or torn; no other folder is ever removed."""
    ours = {cell.folder for cell in cells}
    with file_attempt(f"read {path}"):
        entries = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())
    return [name for name in entries if name in ours or name.rpartition(".a")[0] in ours]


def clear_torn(path: Path, kept: Sequence[Summary], torn: Sequence[str]) -> None:
    """Leave only what is kept: first in the index, then on the disk, so that a crash in between leaves torn cells.

    The caller holds the lock of the run. Raises HostError.
    """
    rewrite_index(path, kept)
    for name in torn:
        with file_attempt(f"remove {path / name}"):
            shutil.rmtree(path / name)
    for part in path.glob(".*.part"):
        part.unlink(missing_ok=True)
