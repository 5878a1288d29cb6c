"""docs/link.md against the grammar and the counters."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from netem.pipeline import Counters
from netem.spec import parse
from netem.spec.grammar import EXTENSION_KEYWORDS, NETEM_KEYWORDS
from netem.spec.profile import parse_profile

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "link.md").read_text()
CODE = set(re.findall(r"`(.+?)`", PAGE))


@pytest.mark.parametrize(
    "keyword", [*NETEM_KEYWORDS, *EXTENSION_KEYWORDS, *["packets", "bytes", "random", "state", "gemodel"]]
)
def test_every_keyword_is_documented(keyword: str) -> None:
    assert any(re.search(rf"(?<![\w-]){keyword}(?![\w-])", code) for code in CODE)


@pytest.mark.parametrize("name", [field.name for field in fields(Counters)])
def test_every_counter_is_documented(name: str) -> None:
    assert name in CODE


@pytest.mark.parametrize("text", ["drop-list 2,3,7-9", "loss 10% 25%", "loss 25% 25%", "loss 10% 50%"])
def test_the_examples_are_right(text: str) -> None:
    assert text in CODE
    parse(text)


@pytest.mark.parametrize("shape", ["step", "ramp", "sine"])
def test_the_shapes_of_profiles_are_right(shape: str) -> None:
    fields_of = re.search(rf"`\{{at: 2s, {shape}: \{{(.+?)\}}\}}`", PAGE)
    assert fields_of
    given = dict(pair.split(": ") for pair in fields_of[1].split(", "))
    assert parse_profile([{"at": "2s", shape: given | {"from": "delay 1ms", "to": "delay 2ms"}}]).changes
