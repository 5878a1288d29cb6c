"""The plan of a run in `run.json`, compact enough for 100 000 cells, and back. No I/O.

With few cells each entry of `cells` has all its fields. With many, `requested` has the fields that all cells share, and
an entry the others. That of a later repetition has none, for they are those of the first.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from testbed.errors import InputError
from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import RECORD_KEYS, Cell

FEW_CELLS: Final = 1_000
"""With up to so many cells, `run.json` has all fields of each: people read it, and programs for earlier versions."""

_FIELDS: Final = {record: field for field, record in RECORD_KEYS.items()}


def plan_document(cells: Sequence[PlannedCell]) -> dict[str, Any]:
    """Return the keys `requested` and `cells` of `run.json`."""
    requested = {planned.id: planned.cell.requested() for planned in cells if planned.repetition == 1}
    return merged_plan([(planned.id, planned.repetition) for planned in cells], requested)


def merged_plan(names: Sequence[tuple[str, int]], requested: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the same keys for ids and repetitions, in order, and the fields of each id."""
    shared = _shared(list(requested.values())) if len(requested) > FEW_CELLS else {}
    entries: list[dict[str, Any]] = []
    for id_, repetition in names:
        if repetition > 1:
            entries.append({"id": id_, "repetition": repetition})
        else:
            varied = {name: value for name, value in requested[id_].items() if name not in shared}
            entries.append({"id": id_, "requested": varied})
    return {"requested": shared, "cells": entries}


def _shared(requested: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not requested:
        return {}
    first = dict(requested[0])
    for each in requested[1:]:
        for name in [name for name, value in first.items() if each.get(name) != value]:
            del first[name]
    return first


def planned_names(document: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return id and repetition of each planned cell of a `run.json`, of any version; raises ValueError."""
    try:
        return [(str(entry["id"]), int(entry.get("repetition", 1))) for entry in document["cells"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it has no list of cells") from error


def requested_of(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of each cell of a `run.json` by id, under the keys of records; raises ValueError."""
    planned_names(document)
    shared = document.get("requested") or {}
    return {entry["id"]: {**shared, **entry["requested"]} for entry in document["cells"] if "requested" in entry}


def planned_cells(document: Mapping[str, Any]) -> tuple[PlannedCell, ...]:
    """Return the cells of a `run.json`, of any version; raises ValueError if it has none or they are not valid."""
    cells = {id_: _cell(fields) for id_, fields in requested_of(document).items()}
    try:
        return tuple(PlannedCell(id_, cells[id_], number) for id_, number in planned_names(document))
    except KeyError as error:
        raise ValueError(f"the cell {error} has no fields") from error


def _cell(requested: Mapping[str, Any]) -> Cell:
    return Cell.model_validate({_FIELDS.get(name, name): value for name, value in requested.items()})


def check_same(
    run: str, planned: Sequence[PlannedCell], given: Sequence[PlannedCell], files: Sequence[Mapping[str, bytes]]
) -> None:
    """Raise InputError if the cells of a scenario are not those that the run has; `files` are those of both."""
    ours, theirs = ({cell.folder: cell.cell for cell in cells} for cells in (planned, given))
    lines = [f"{name}: only in the run" for name in ours if name not in theirs]
    lines += [f"{name}: only in the scenario" for name in theirs if name not in ours]
    lines += [
        f"{name}: has other fields in the scenario" for name in ours if name in theirs and ours[name] != theirs[name]
    ]
    lines += [
        f"{name}: not the file of the run"
        for name in sorted({*files[0], *files[1]})
        if files[0].get(name) != files[1].get(name)
    ]
    if lines:
        more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise InputError(
            [f"the scenario is not that of the run {run}:", *(f"  {line}" for line in [*lines[:SHOWN], *more])],
            hint="omit the file to continue the run as it was planned, or start a new run",
        )


SHOWN: Final = 5


def run_text(document: Mapping[str, Any]) -> str:
    """Return `run.json`: indented, but each cell on one line, which is shorter and much faster to write."""
    cells: list[Any] = list(document.get("cells", ()))
    if not cells:
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    text = json.dumps({**document, "cells": []}, indent=2, ensure_ascii=False, allow_nan=False)
    lines = ",\n".join(f"    {json.dumps(cell, ensure_ascii=False, allow_nan=False)}" for cell in cells)
    return text.replace('\n  "cells": []', f'\n  "cells": [\n{lines}\n  ]', 1) + "\n"
