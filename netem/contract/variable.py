"""One environment variable as a row of a table: its name, its allowed values, its meaning.

The rows are the metadata of dataclass fields (`Settings`, `RouteMetrics`): the field has the type and the default,
the row has everything else. `read_fields` reads an environment by them, and docs/contracts.md is generated from them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.limits import Bounds

Read = Callable[[str], Any]
"""Turn a text that is not empty into a value; raises ValueError when it is not allowed."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A row; `allowed` completes the sentence "VALUE is not ..."; with `several` it is read word by word."""

    name: str
    meaning: str
    allowed: str
    read: Read
    several: bool = False

    def value(self, text: str) -> Any:  # noqa: ANN401 - of the field's type
        """Parse `text`. Raises SidecarError that names the variable, the value and what is allowed."""
        return tuple(self._checked(word) for word in text.split()) if self.several else self._checked(text)

    def _checked(self, text: str) -> Any:  # noqa: ANN401 - as above
        try:
            return self.read(text)
        except ValueError as error:
            raise SidecarError(
                f"read {self.name}", f"{text!r} is not {self.allowed}", f"set {self.name} to {self.allowed}"
            ) from error


Row = Mapping[str, Variable]
"""What `dataclasses.field` takes as metadata."""
_KEY = "variable"


def text(name: str, meaning: str) -> Row:
    """Describe a variable that may be any text."""
    return {_KEY: Variable(name, meaning, "", str)}


def choice(name: str, allowed: tuple[str, ...], meaning: str) -> Row:
    """Describe one of several words."""

    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(value)
        return value

    return {_KEY: Variable(name, meaning, f"one of {', '.join(allowed)}", read)}


def flag(name: str, meaning: str) -> Row:
    """Describe a switch."""

    def read(value: str) -> bool:
        if value not in ("0", "1"):
            raise ValueError(value)
        return value == "1"

    return {_KEY: Variable(name, meaning, "0 or 1", read)}


def integer(name: str, bounds: Bounds, meaning: str, *, or_zero: bool = False) -> Row:
    """Describe an integer within bounds; with `or_zero` 0 is allowed, too, and switches something off."""

    def read(value: str) -> int:
        number = int(value)
        if not (bounds.low <= number <= bounds.high or (or_zero and number == 0)):
            raise ValueError(value)
        return number

    allowed = f"{'0 or ' if or_zero else ''}an integer from {bounds.low} to {bounds.high}"
    return {_KEY: Variable(name, meaning, allowed, read)}


def number(name: str, low: float, high: float, meaning: str) -> Row:
    """Describe a number within bounds."""

    def read(value: str) -> float:
        found = float(value)
        if not low <= found <= high:
            raise ValueError(value)
        return found

    return {_KEY: Variable(name, meaning, f"a number from {low:g} to {high:g}", read)}


def pattern(name: str, form: re.Pattern[str], allowed: str, meaning: str, *, several: bool = False) -> Row:
    """Describe a word of a given form, or with `several` any number of them, separated by white space."""

    def read(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(value)
        return value

    return {_KEY: Variable(name, meaning, allowed, read, several)}


def subset(name: str, of: tuple[str, ...], allowed: str, meaning: str) -> Row:
    """Describe some words of a few, separated by white space; the value is sorted and has each once."""

    def read(value: str) -> tuple[str, ...]:
        found = set(value.split())
        if not found <= set(of):
            raise ValueError(value)
        return tuple(sorted(found))

    return {_KEY: Variable(name, meaning, allowed, read)}


def variables_of(table: type[Any]) -> Iterator[tuple[Variable, Any]]:
    """Yield each variable of a dataclass with its default."""
    for each in fields(table):
        if _KEY in each.metadata:
            yield each.metadata[_KEY], each.default


def read_fields(table: type[Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the fields whose variable is set; one that is empty is not set. Raises SidecarError."""
    values = {}
    for each in fields(table):
        variable: Variable | None = each.metadata.get(_KEY)
        if variable is not None and (given := environment.get(variable.name, "").strip()):
            values[each.name] = variable.value(given)
    return values
