"""Expand fields, any of which may be a list of values, to the cells of their product, each with a stable id."""

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from testbed.result import cell_folder
from testbed.scenario.model import FIELDS, RECORD_KEYS, Cell
from testbed.scenario.validate import Problem, validate

MAX_CELLS: Final = 100_000
"""A typing error multiplies fast; a hundred thousand short cells take more than a day."""

LISTS: Final = ("profile",)
"""Fields whose value is itself a list; several values are a list of lists."""

_LATER_FIELDS: Final = ("realtime",)
"""Fields that are younger than the ids: at their default they are no part of the digest, so that ids never change."""

_NAMES_IN_ID: Final = ("client", "server", "family")


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """Hold a cell and its id, which depends on the cell only, not on its position in a scenario.

    `repetition` counts from 1.
    """

    id: str
    cell: Cell
    repetition: int = 1

    @property
    def folder(self) -> str:
        """Return the name of its folder in the run folder; that of a second attempt has `.a2` appended."""
        return cell_folder(self.id, self.repetition)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Hold the cells that a file or a command line requests."""

    name: str
    description: str
    cells: tuple[PlannedCell, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Distribution tables (`NAME.dist`) and traces that the impairments of the cells name."""


class ExpansionError(ValueError):
    """Report every problem of a set of fields."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))


def _values(name: str, value: object) -> list[Any]:
    if not isinstance(value, list | tuple):
        return [value]
    if name in LISTS and not all(isinstance(each, list | tuple) for each in value):
        return [value]
    return list(value)


def _digest(cell: Cell) -> str:
    # The names of the model's fields are part of the digest: to rename one would change the ids of all cells.
    later = {name for name in _LATER_FIELDS if getattr(cell, name) == Cell.model_fields[name].default}
    text = json.dumps(cell.model_dump(exclude=later), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _slug(value: object) -> str:
    return _slug_of(str(value))


@lru_cache(maxsize=4096)
def _slug_of(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_")[:24]


def cell_id(cell: Cell, varied: frozenset[str] = frozenset()) -> str:
    """Return the id of a cell: programs, family, the varied fields, and a digest of all fields."""
    requested = cell.requested()
    words = [_slug(requested[name]) for name in _NAMES_IN_ID]
    further = [key for key in FIELDS if key in varied and key not in _NAMES_IN_ID]
    words += [f"{key}_{_slug(requested[RECORD_KEYS.get(key, key)])}" for key in further]
    return "-".join([*words, _digest(cell)])


def _covering(lists: Mapping[str, list[Any]]) -> Iterator[tuple[int, ...]]:
    """Choose each value at least once; a field without values is left out."""
    for row in range(max(map(len, lists.values()), default=0)):
        yield tuple(min(row, len(values) - 1) for values in lists.values())


def _check_lists(lists: Mapping[str, list[Any]]) -> list[Problem]:
    problems = [Problem(name, 0, "an empty list produces no cell") for name, values in lists.items() if not values]
    count = math.prod(len(values) for values in lists.values())
    if count > MAX_CELLS:
        problems.append(Problem("", 0, f"these lists produce {count} cells, more than {MAX_CELLS}"))
    return problems


def _validate_each(
    lists: Mapping[str, list[Any]], choices: Iterable[tuple[int, ...]]
) -> tuple[list[Cell], list[Problem]]:
    """Validate each choice of one value from each list, once."""
    cells, problems = [], []
    for choice in choices:
        index_of = dict(zip(lists, choice, strict=True))
        answer = validate({name: lists[name][index] for name, index in index_of.items() if index >= 0})
        if isinstance(answer, Cell):
            cells.append(answer)
        else:
            problems += [replace(problem, index=index_of.get(problem.field, 0)) for problem in answer]
    return cells, problems


def _in_order(problems: Iterable[Problem], names: Iterable[str]) -> list[Problem]:
    """Return each problem once: of values in the order of the fields, then of combinations."""
    position = {name: number for number, name in enumerate(names)}
    return sorted(dict.fromkeys(problems), key=lambda each: (position.get(each.field, len(position)), each.index))


def expand(fields: Mapping[str, Any]) -> list[PlannedCell]:
    """Return the cells of the product of the fields' lists, in the order in which they are written.

    Raises ExpansionError with all problems at once.
    """
    lists = {name: _values(name, value) for name, value in fields.items()}
    problems = _check_lists(lists)
    choices = _covering(lists) if problems else itertools.product(*(range(len(values)) for values in lists.values()))
    cells, wrong = _validate_each(lists, choices)
    varied = frozenset(name for name, values in lists.items() if len(values) > 1)
    planned = [PlannedCell(cell_id(cell, varied), cell) for cell in cells]
    twice = [id_ for id_, count in Counter(each.id for each in planned).items() if count > 1]
    if not problems:
        problems = [Problem("", 0, f"duplicate cell: {id_}") for id_ in twice]
    if wrong or problems:
        raise ExpansionError(_in_order([*problems, *wrong], lists))
    return planned
