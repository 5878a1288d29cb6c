"""What is wrong with a value, in one short sentence; a value of any size is shown by its beginning only."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic_core import ErrorDetails

SHOWN_CHARACTERS: Final = 80
"""Enough to find the value again; the file names the place."""

_WHOLE: Final = "a whole number"
_SWITCH: Final = "true or false"

_WANTED: Final[Mapping[str, Callable[[Mapping[str, object]], str]]] = {
    "int_type": lambda _: _WHOLE,
    "int_parsing": lambda _: _WHOLE,
    "int_parsing_size": lambda _: _WHOLE,
    "int_from_float": lambda _: _WHOLE,
    "finite_number": lambda _: _WHOLE,
    "bool_type": lambda _: _SWITCH,
    "bool_parsing": lambda _: _SWITCH,
    "string_type": lambda _: "text",
    "literal_error": lambda context: str(context["expected"]),
    "greater_than_equal": lambda context: f"{context['ge']} or more",
    "less_than_equal": lambda context: f"{context['le']} or less",
}
"""What should have stood there, by the type of pydantic's error."""


def shown(value: object) -> str:
    """Return a value as one would write it, cut short; of lists and mappings only how much they hold."""
    # Never repr() of these: aliases make lists of a billion values, and lists that hold themselves.
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = repr(value[: SHOWN_CHARACTERS + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def sentence(error: ErrorDetails, fields: Iterable[str]) -> str:
    """Return what an error of pydantic's says; `fields` are the names that there could be."""
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][0]), list(fields), n=1)
        return f"unknown field{f'; did you mean {near[0]!r}?' if near else ''}"
    message = str(error["msg"])
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _WANTED:
        return f"{_WANTED[kind](error.get('ctx', {}))}, not {shown(given)}"
    return f"{message[0].lower()}{message[1:]}, not {shown(given)}"
