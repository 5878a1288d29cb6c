"""From fields, any of which may hold a list of values, to the cells of their product, each with a stable id."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from testbed.scenario.model import FIELDS, RECORD_KEYS, Cell
from testbed.scenario.sentences import sentence

MAX_CELLS: Final = 10_000
"""A slip of the pen multiplies fast; ten thousand cells of a second each are three hours."""

LISTS: Final = ("profile",)
"""Fields whose value is a list itself; several of them are a list of lists."""

_NAMES_IN_ID: Final = ("client", "server", "family")


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell and its id, which depends on what the cell is and not on where it stands."""

    id: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a file, or a command line, asks for."""

    name: str
    description: str
    cells: tuple[PlannedCell, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Tables of distributions (`NAME.dist`) and traces that the texts of the cells name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the value number `index` of `field`; an empty field means the fields together."""

    field: str
    index: int
    message: str


class ExpansionError(ValueError):
    """Carry every problem of a set of fields."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))


def problems_of(fields: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with single values, one for each field."""
    try:
        Cell.model_validate(fields)
    except ValidationError as error:
        found = {str(e["loc"][0]) if e["loc"] else "": sentence(e, FIELDS) for e in error.errors(include_url=False)}
        return [Problem(field, 0, message) for field, message in found.items()]
    return []


def _values(name: str, value: object) -> list[Any]:
    if not isinstance(value, list | tuple):
        return [value]
    if name in LISTS and not all(isinstance(each, list | tuple) for each in value):
        return [value]
    return list(value)


def _check_each(fields: Mapping[str, list[Any]]) -> list[Problem]:
    problems = []
    for name, values in fields.items():
        if not values:
            problems.append(Problem(name, 0, "an empty list gives no cell"))
        for index, value in enumerate(values):
            wrong = [problem for problem in problems_of({name: value}) if problem.field == name]
            problems += [Problem(name, index, problem.message) for problem in wrong]
    return problems


def _digest(cell: Cell) -> str:
    # The names of the model's fields are part of the digest: to rename one would change the ids of all cells.
    text = json.dumps(cell.model_dump(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _slug(value: object) -> str:
    return re.sub(r"[^a-z0-9.]+", "_", str(value).lower()).strip("_")[:24]


def cell_id(cell: Cell, varied: frozenset[str] = frozenset()) -> str:
    """Return the id of a cell: programs, family, the varied fields, and a digest of all fields."""
    requested = cell.requested()
    words = [_slug(requested[name]) for name in _NAMES_IN_ID]
    further = [key for key in FIELDS if key in varied and key not in _NAMES_IN_ID]
    words += [f"{key}_{_slug(requested[RECORD_KEYS.get(key, key)])}" for key in further]
    return "-".join([*words, _digest(cell)])


def _product(fields: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*fields.values()):
        yield dict(zip(fields, values, strict=True))


def expand(fields: Mapping[str, Any]) -> list[PlannedCell]:
    """Return the cells that the fields' product holds, in the order in which they are written.

    Raises ExpansionError with all problems at once: of values first, then of values that do not go together.
    """
    lists = {name: _values(name, value) for name, value in fields.items()}
    problems = _check_each(lists)
    count = 1
    for values in lists.values():
        count *= len(values)
    if count > MAX_CELLS:
        problems.append(Problem("", 0, f"these lists make {count} cells, more than {MAX_CELLS}"))
    if problems:
        raise ExpansionError(problems)
    varied = frozenset(name for name, values in lists.items() if len(values) > 1)
    cells: dict[str, PlannedCell] = {}
    for combination in _product(lists):
        wrong = problems_of(combination)
        if wrong:
            problems += [problem for problem in wrong if problem not in problems]
            continue
        cell = Cell.model_validate(combination)
        planned = PlannedCell(cell_id(cell, varied), cell)
        if planned.id in cells:
            problems.append(Problem("", 0, f"the same cell twice: {planned.id}"))
        cells[planned.id] = planned
    if problems:
        raise ExpansionError(problems)
    return list(cells.values())
