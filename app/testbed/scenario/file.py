"""Parse scenario files: YAML text to cells; every mistake with file, line, column and field, all at once.

A file has `description` (text) and `cells`: one mapping of fields, or a list of mappings. Any field may be a list of
values; a mapping produces the product of its lists.
"""

import math
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import TagToken

from testbed.errors import InputError
from testbed.scenario.expand import ExpansionError, PlannedCell, Scenario, expand
from testbed.scenario.validate import Problem

MAX_FILE_CHARACTERS: Final = 1 << 20
"""A scenario is written by hand; a mebibyte of text is some other file."""

MAX_VALUES: Final = 100_000
"""With aliases a page of text can be a list of a billion values; the lists of a scenario have far fewer than this."""

_TOP_FIELDS: Final = ("description", "cells")


def load_yaml(text: str, name: str) -> Any:  # noqa: ANN401 - the file may have any content
    """Return the content of the YAML text of file `name`; raises InputError with line and column."""
    if len(text) > MAX_FILE_CHARACTERS:
        raise InputError([f"{name}:1:1: the file is larger than {MAX_FILE_CHARACTERS} characters"])
    try:
        _reject_tags(text, name)
        loaded = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise InputError([f"{name}:{where}: {_mistake(error)}"]) from None
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise InputError([f"{name}:1:1: not YAML: {str(error).splitlines()[0]}"]) from None
    if _weight(loaded, {}) > MAX_VALUES:
        raise InputError([f"{name}:1:1: with aliases expanded, the file has more than {MAX_VALUES} values"])
    return loaded


def _reject_tags(text: str, name: str) -> None:
    """Reject tags such as `!!set`: no field needs one, and some parsed values would lose line and column."""
    for token in YAML(typ="rt", pure=True).scan(text):
        if isinstance(token, TagToken):
            mark = token.start_mark
            raise InputError([f"{name}:{mark.line + 1}:{mark.column + 1}: tags (!) are not supported; remove it"])


def _mistake(error: MarkedYAMLError) -> str:
    what = (error.problem or error.context or "not YAML").splitlines()[0]
    # Some problems are the second half of a sentence.
    return f"{error.context}, {what}" if what.startswith("but ") else what


def _weight(value: object, known: dict[int, float]) -> float:
    """Return how many values there are with every alias expanded; infinity if one contains itself."""
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in known:
        known[id(value)] = math.inf
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_weight(each, known) for each in inner)
    return known[id(value)]


def _load(text: str, name: str) -> CommentedMap:
    loaded = load_yaml(text, name)
    if not isinstance(loaded, CommentedMap):
        raise InputError([f"{name}:1:1: a scenario is a mapping with the field 'cells'"])
    return loaded


def _at(position: tuple[int, int]) -> str:
    return f"{position[0] + 1}:{position[1] + 1}"


def _at_key(fields: CommentedMap, key: object) -> str:
    try:
        return _at(fields.lc.key(key))
    except (KeyError, TypeError):  # it comes from a merge (<<)
        return _at((fields.lc.line, fields.lc.col))


def _where(fields: CommentedMap, problem: Problem) -> str:
    if not problem.field:
        return _at((fields.lc.line, fields.lc.col))
    values = fields[problem.field]
    if isinstance(values, CommentedSeq) and len(values):
        return _at(values.lc.item(problem.index))
    return _at_key(fields, problem.field)


def _groups(loaded: CommentedMap, name: str) -> tuple[list[CommentedMap], list[str]]:
    known = " and ".join(_TOP_FIELDS)
    problems = [
        f"{name}:{_at_key(loaded, key)}: {key}: unknown field; a scenario has {known}"
        for key in loaded
        if key not in _TOP_FIELDS
    ]
    cells: Any = loaded.get("cells")
    groups = list(cells) if isinstance(cells, CommentedSeq) else [cells]
    if not groups or not all(isinstance(group, CommentedMap) for group in groups):
        position = _at_key(loaded, "cells") if "cells" in loaded else "1:1"
        return [], [*problems, f"{name}:{position}: cells: a mapping of fields, or a list of such mappings"]
    not_text = [(group, key) for group in groups for key in group if not isinstance(key, str)]
    if not_text:
        named = [f"{name}:{_at_key(group, key)}: {key!r}: a field name must be text" for group, key in not_text]
        return [], problems + named
    return groups, problems


def parse_scenario(text: str, name: str) -> Scenario:
    """Return the scenario that the text of the file `name` describes.

    Raises InputError with one line `name:line:column: field: message` for each mistake.
    """
    loaded = _load(text, name)
    groups, problems = _groups(loaded, name)
    planned: dict[str, PlannedCell] = {}
    for group in groups:
        try:
            cells = expand(group)
        except ExpansionError as error:
            for problem in error.problems:
                label = f"{problem.field}: " if problem.field else ""
                problems.append(f"{name}:{_where(group, problem)}: {label}{problem.message}")
            continue
        for cell in cells:
            if cell.id in planned:
                problems.append(f"{name}:{_where(group, Problem('', 0, ''))}: duplicate cell: {cell.id}")
            planned[cell.id] = cell
    if problems:
        raise InputError(problems)
    return Scenario(name=name, description=str(loaded.get("description", "")), cells=tuple(planned.values()))
