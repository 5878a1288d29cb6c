"""Read run folders: documents, link files, finished attempts; find them by name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testbed.errors import InputError, file_attempt
from testbed.result_upgrade import upgrade_run
from testbed.run.conclusion import read_result
from testbed.run.index import finished, read_index
from testbed.run.lock import is_locked
from testbed.run.summary import Summary, summary_of

LATEST: Final = "latest"


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run folder: its `run.json`, upgraded, and its finished attempts by folder."""

    path: Path
    document: dict[str, Any]
    finished: dict[str, Summary]

    @property
    def run(self) -> str:
        """Return the id of the run."""
        return str(self.document.get("run", self.path.name))

    @property
    def is_running(self) -> bool:
        """Return whether a process executes it."""
        return is_locked(self.path)


def find_run(name: str, output: Path) -> Path:
    """Return the folder of a run: `latest`, an id, or a path; raises InputError when it is none."""
    for path in (output / name, Path(name)):
        if (path / "run.json").is_file():
            return path.resolve()
    if name == LATEST:
        raise InputError([f"no runs in {output} yet"], hint="testbed matrix FILE")
    hint = "it has no run.json: it was interrupted before its first cell" if Path(output, name).is_dir() else ""
    raise InputError([f"{name}: no such run (looked in {output} and .)"], hint=hint or "testbed list shows the runs")


def read_document(path: Path) -> dict[str, Any]:
    """Return the `run.json` of a run folder, upgraded; raises InputError when it is not readable."""
    try:
        document = json.loads((path / "run.json").read_bytes())
        if not isinstance(document, dict):
            raise ValueError("not a mapping")  # noqa: TRY004, TRY301 - a damaged file, as below
        return upgrade_run(document)
    except (OSError, ValueError) as error:
        raise InputError([f"{path / 'run.json'}: {error}"]) from error


def read_run(path: Path) -> RunOnDisk:
    """Return a run folder; raises InputError, and HostError when the index is not readable."""
    index = read_index(path)
    return RunOnDisk(path, read_document(path), _from_results(path) if index is None else finished(path, index))


def _from_results(run: Path) -> dict[str, Summary]:
    """Return the finished attempts of a run without an index, which an earlier version made."""
    found = {}
    for file in sorted(run.glob("*/result.json")):
        try:
            result = read_result(file.parent)
        except (OSError, ValueError):
            continue
        summary = summary_of(result, bytes_on_disk=0, ended_ns=file.stat().st_mtime_ns)
        if summary.folder == file.parent.name:
            found[summary.folder] = summary
    return found


def link_files(run: Path) -> dict[str, bytes]:
    """Return the tables and traces of a run, by name; raises HostError."""
    folder = run / "files"
    with file_attempt(f"read {folder}"):
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir())} if folder.is_dir() else {}


def run_folders(output: Path) -> Iterator[Path]:
    """Yield the run folders in a folder, the newest first."""
    if output.is_dir():
        found = [path.parent for path in output.glob("*/run.json") if not path.parent.is_symlink()]
        yield from sorted((path for path in found if not path.name.startswith(".")), reverse=True)
