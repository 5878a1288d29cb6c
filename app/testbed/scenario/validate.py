"""Validate the fields of one cell: the cell, or one problem for each field that is wrong.

The only place that builds a `Cell` from what a user wrote. Each caller says where the value stands: the command line
names the option, a scenario file names line, column and field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from testbed.scenario.messages import sentence
from testbed.scenario.model import FIELDS, Cell


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with value number `index` of `field`; an empty field means the combination of fields."""

    field: str
    index: int
    message: str


def validate(fields: Mapping[str, Any]) -> Cell | list[Problem]:
    """Return the cell with these fields, or what is wrong with them."""
    try:
        return Cell.model_validate(fields)
    except ValidationError as error:
        found = {str(e["loc"][0]) if e["loc"] else "": sentence(e, FIELDS) for e in error.errors(include_url=False)}
        return [Problem(field, 0, message) for field, message in found.items()]
