"""Describe what is wrong with a value in one short sentence; a long value is abbreviated."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic_core import ErrorDetails

SHOWN_CHARACTERS: Final = 80
"""Enough to recognise the value; the message of a file also has line and column."""

_INTEGER: Final = "an integer"
_SWITCH: Final = "true or false"

_EXPECTED: Final[Mapping[str, Callable[[Mapping[str, object]], str]]] = {
    "int_type": lambda _: _INTEGER,
    "int_parsing": lambda _: _INTEGER,
    "int_parsing_size": lambda _: _INTEGER,
    "int_from_float": lambda _: _INTEGER,
    "finite_number": lambda _: _INTEGER,
    "bool_type": lambda _: _SWITCH,
    "bool_parsing": lambda _: _SWITCH,
    "string_type": lambda _: "text",
    "literal_error": lambda context: str(context["expected"]),
    "greater_than_equal": lambda context: f"{context['ge']} or more",
    "less_than_equal": lambda context: f"{context['le']} or less",
}
"""The expected value, by the type of pydantic's error."""


def abbreviated(value: object) -> str:
    """Return the text of a value, abbreviated; of lists and mappings only their length."""
    # Never repr() of these: with aliases a list can have a billion values, or contain itself.
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = repr(value[: SHOWN_CHARACTERS + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def sentence(error: ErrorDetails, fields: Iterable[str]) -> str:
    """Return the sentence for a pydantic error; `fields` are the valid names."""
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][0]), list(fields), n=1)
        return f"unknown field{f'; did you mean {near[0]!r}?' if near else ''}"
    message = str(error["msg"])
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind](error.get('ctx', {}))}, not {abbreviated(given)}"
    return f"{message[0].lower()}{message[1:]}, not {abbreviated(given)}"
