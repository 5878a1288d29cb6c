from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from testbed.scenario.messages import SHOWN_CHARACTERS, abbreviated, sentence


class Model(BaseModel, extra="forbid"):
    count: Annotated[int, Field(ge=1, le=9)] = 1
    switch: bool = False
    name: str = ""
    choice: Literal["a", "b"] = "a"
    exact: bytes = b""


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", "1e3", "an integer, not '1e3'"),
        ("count", None, "an integer, not None"),
        ("count", 1.5, "an integer, not 1.5"),
        ("count", float("nan"), "an integer, not nan"),
        ("count", "9" * 5000, f"an integer, not '{'9' * 76}..."),
        ("count", 0, "1 or more, not 0"),
        ("count", "10", "9 or less, not '10'"),
        ("switch", "maybe", "true or false, not 'maybe'"),
        ("switch", [], "true or false, not a list of 0"),
        ("name", 5, "text, not 5"),
        ("choice", "c", "'a' or 'b', not 'c'"),
        ("exact", 5, "input should be a valid bytes, not 5"),
        ("cuont", 5, "unknown field; did you mean 'count'?"),
        ("zzz", 5, "unknown field"),
    ],
)
def test_one_sentence(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({field: value})
    (error,) = caught.value.errors()
    assert sentence(error, Model.model_fields) == message


def test_a_value_is_shown_short_whatever_it_holds() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert abbreviated(endless) == "a list of 1"
    assert abbreviated({"a": endless}) == "a mapping of 1"
    assert abbreviated("short") == "'short'"
    assert len(abbreviated("x" * 10_000_000)) == SHOWN_CHARACTERS
    assert abbreviated("\x1b[31m") == r"'\x1b[31m'"
