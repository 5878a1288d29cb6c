import re
from dataclasses import dataclass, field

import pytest

from netem.contract.errors import SidecarError
from netem.contract.limits import Bounds
from netem.contract.variable import (
    Row,
    choice,
    flag,
    integer,
    number,
    pattern,
    read_fields,
    subset,
    text,
    variables_of,
)

SHORT = re.compile("[a-z]{1,3}")


@dataclass
class Table:
    plain: str = field(default="d", metadata=text("X_PLAIN", "any text"))
    size: int = field(default=7, metadata=integer("X_SIZE", Bounds(5, 9), "a size", or_zero=True))
    names: tuple[str, ...] = field(default=(), metadata=pattern("X_NAMES", SHORT, "short", "names", several=True))
    other: int = 0


def value_of(row: Row, given: str) -> object:
    (variable,) = row.values()
    return variable.value(given)


def test_what_is_not_set_or_empty_or_no_variable_is_not_read() -> None:
    assert read_fields(Table, {"X_SIZE": " ", "other": "3"}) == {}


def test_each_variable_that_is_set_is_read() -> None:
    environment = {"X_PLAIN": " a b ", "X_SIZE": "9", "X_NAMES": "ab  c"}
    assert read_fields(Table, environment) == {"plain": "a b", "size": 9, "names": ("ab", "c")}


def test_the_table_has_names_meanings_and_defaults() -> None:
    assert [(variable.name, variable.meaning, default) for variable, default in variables_of(Table)] == [
        ("X_PLAIN", "any text", "d"),
        ("X_SIZE", "a size", 7),
        ("X_NAMES", "names", ()),
    ]


@pytest.mark.parametrize(
    ("row", "given", "value"),
    [
        (choice("X", ("a", "b"), ""), "b", "b"),
        (flag("X", ""), "0", False),
        (flag("X", ""), "1", True),
        (integer("X", Bounds(5, 9), ""), "5", 5),
        (integer("X", Bounds(5, 9), "", or_zero=True), "0", 0),
        (number("X", 0.5, 2, ""), "0.5", 0.5),
        (pattern("X", SHORT, "", ""), "abc", "abc"),
        (subset("X", ("a", "b"), "", ""), "b a b", ("a", "b")),
    ],
)
def test_what_is_allowed(row: Row, given: str, value: object) -> None:
    assert value_of(row, given) == value


@pytest.mark.parametrize(
    ("row", "given", "allowed"),
    [
        (choice("X", ("a", "b"), ""), "c", "'c' is not one of a, b"),
        (flag("X", ""), "yes", "'yes' is not 0 or 1"),
        (integer("X", Bounds(5, 9), ""), "4", "'4' is not an integer from 5 to 9"),
        (integer("X", Bounds(5, 9), ""), "0", "'0' is not an integer from 5 to 9"),
        (integer("X", Bounds(5, 9), "", or_zero=True), "10", "'10' is not 0 or an integer from 5 to 9"),
        (integer("X", Bounds(5, 9), ""), "5.5", "an integer"),
        (number("X", 0.5, 2, ""), "nan", "'nan' is not a number from 0.5 to 2"),
        (pattern("X", SHORT, "short", "", several=True), "abc abcd", "'abcd' is not short"),
        (subset("X", ("a", "b"), "a or b", ""), "a c", "'a c' is not a or b"),
    ],
)
def test_what_is_rejected(row: Row, given: str, allowed: str) -> None:
    with pytest.raises(SidecarError) as caught:
        value_of(row, given)
    assert caught.value.attempt == "read X"
    assert allowed in caught.value.message
    assert caught.value.hint.startswith("set X to ")
