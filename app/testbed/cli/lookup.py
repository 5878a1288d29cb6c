"""Find the cells and captures that an argument names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from testbed.analysis.join.cell_folder import choose_connection, read_record
from testbed.analysis.packets.capture import read_capture
from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.model import Capture, Connection
from testbed.errors import InputError
from testbed.run.index import finished, read_index

LATEST: Final = "latest"


def target_argument(metavar: str) -> click.Argument:
    """Return the argument that names the target: a run, a cell or a file; the newest run by default."""
    return click.Argument(["target"], metavar=f"[{metavar}]", default=LATEST, type=str)


def find(target: str, output: Path) -> Path:
    """Return the file or folder: as given, else in the folder of the runs; raises InputError when there is none."""
    for path in (Path(target), output / target):
        if path.exists():
            return path
    if target == LATEST and not any(output.glob("*/run.json")):
        raise InputError([f"no runs in {output} yet"], hint="testbed run")
    raise InputError(
        [f"{target}: no such run, cell or file (looked in . and {output})"], hint="give a run, RUN/CELL, or a path"
    )


def cells(path: Path) -> list[Path]:
    """Return the folders of the cells at a path: a cell, or the finished ones of a run, which may still grow.

    Raises InputError when there is none.
    """
    one = (path / "cell.json").is_file()
    found = [path] if one else _finished(path)
    if not found:
        hint = f"for a capture file, use: testbed analyze {path}" if path.is_file() else ""
        raise InputError([f"{path}: neither a cell nor a run that contains cells"], hint=hint)
    for folder in found:
        check_record(folder)
    return found


def _finished(run: Path) -> list[Path]:
    index = read_index(run) if run.is_dir() else None
    if index is None:  # no run, or one of an earlier version
        return sorted(record.parent for record in run.glob("*/cell.json"))
    return sorted(run / name for name in finished(run, index))


def one_cell(path: Path) -> Path:
    """Return the folder of the only cell at a path; raises InputError when there are several."""
    found = cells(path)
    if len(found) > 1:
        names = [f"  {path.name}/{cell.name}" for cell in found]
        raise InputError([f"{path}: contains several cells; choose one:", *names])
    return found[0]


def check_record(folder: Path) -> None:
    """Raise InputError when cell.json is missing or invalid."""
    try:
        read_record(folder)
    except (OSError, ValueError) as error:
        raise InputError([f"{folder / 'cell.json'}: {str(error).splitlines()[0]}"]) from error


def load_capture(path: Path) -> Capture:
    """Return a capture; raises InputError when it is not readable."""
    try:
        return read_capture(path)
    except CaptureError as error:
        where = f", at byte {error.offset_bytes}" if error.offset_bytes else ""
        raise InputError([f"{path}: {error.reason}{where}"], hint=error.hint) from error
    except OSError as error:
        raise InputError([f"{path}: {error.strerror or error}"]) from error


def connection_of(capture: Capture, path: Path, stream: int | None) -> Connection:
    """Return the connection with this number, or the one with most payload; raises InputError when there is none."""
    if stream is not None:
        if not 0 <= stream < len(capture):
            raise InputError([f"{path}: no connection {stream}; the capture has {len(capture)}, numbered from 0"])
        return capture.connection(stream)
    chosen = choose_connection(capture)
    if chosen is None:
        raise InputError([f"{path}: the capture contains no TCP connection"])
    return chosen


def chosen_names(requested: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the requested names; raises InputError for a name that does not exist."""
    wrong = [name for name in requested if name not in known]
    if wrong:
        raise InputError([f"unknown finding {name!r}" for name in wrong], hint=f"one of: {', '.join(known)}")
    return list(requested)
