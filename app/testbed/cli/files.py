"""Read the files that a command line names: texts, and the tables and traces of impairments."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from netem.spec import Impairment, SpecError
from netem.spec.resources import parse_table, parse_trace, table_names, trace_names
from testbed.errors import InputError
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import PlannedCell


def read_text(path: Path) -> str:
    """Return the text of a file; raises InputError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError([f"{path}:{line}: not UTF-8: the byte {error.object[error.start]:#x}"]) from error
    except OSError as error:
        raise InputError([f"{path}: {error.strerror or error}"]) from error


def gather_files(cells: Sequence[PlannedCell], folder: Path) -> Mapping[str, bytes]:
    """Return the tables and traces that the cells' impairments name, from the folder of the scenario.

    A missing table may be part of the sidecar's image. Raises InputError for a missing trace and for a file with
    invalid content.
    """
    impairments = list(
        dict.fromkeys(each for planned in cells for role in ROLES for each in planned.cell.impairments(role))
    )
    tables, traces = _names(impairments)
    found: dict[str, bytes] = {}
    problems: list[str] = []
    for name, parse in (
        *((f"{table}.dist", parse_table) for table in tables),
        *((each, parse_trace) for each in traces),
    ):
        path = folder / name
        if path.parent != folder or not path.is_file():
            if parse is parse_trace:
                problems.append(f"{path}: no such trace file")
            continue
        try:
            parse(read_text(path))
        except SpecError as error:
            problems.append(f"{path}: {error}")
        else:
            found[name] = path.read_bytes()
    if problems:
        raise InputError(problems)
    return found


def _names(impairments: Sequence[Impairment]) -> tuple[list[str], list[str]]:
    tables = dict.fromkeys(name for each in impairments for name in table_names(each))
    traces = dict.fromkeys(name for each in impairments for name in trace_names(each))
    return list(tables), list(traces)
