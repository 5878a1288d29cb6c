from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.scenario.file import MAX_FILE_CHARACTERS, MAX_VALUES, parse_scenario

SCENARIOS = sorted((Path(__file__).resolve().parents[3] / "scenarios").glob("*.yaml"))


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parse_scenario(text, "s.yaml")
    return caught.value.problems


def test_a_mapping_or_a_list_of_them() -> None:
    one = parse_scenario("description: hi\ncells: {nodes: 10, chunk: [1k, 10k]}\n", "s.yaml")
    assert (one.description, len(one.cells)) == ("hi", 2)
    two = parse_scenario("cells:\n  - {nodes: 10}\n  - {nodes: 20, family: [ipv4, ipv6]}\n", "s.yaml")
    assert [planned.cell.nodes for planned in two.cells] == [10, 20, 20]


def test_every_mistake_has_file_line_column_and_field() -> None:
    assert problems(
        "colour: red\n"
        "cells:\n"
        "  - client: [py, 'c d']\n"
        "    servr: py\n"
        "    delay: 1\n"
        "  - latency: 1ms\n"
        "    jitter: 5ms\n"
        "  - nodes: -1\n"
    ) == (
        "s.yaml:1:1: colour: unknown field; a scenario has description and cells",
        "s.yaml:3:18: client: 'c d' is neither py, c nor the name of an image",
        "s.yaml:4:5: servr: unknown field; did you mean 'server'?",
        "s.yaml:5:5: delay: '1' has no unit: write 1ms or 1s",
        "s.yaml:6:5: jitter 5ms exceeds latency 1ms: frames would arrive before they are sent",
        "s.yaml:8:5: nodes: 0 or more, not -1",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.yaml:1:1: a scenario is a mapping"),
        ("- a\n", "s.yaml:1:1: a scenario is a mapping"),
        ("cells: {a: 1\n", "s.yaml:2:1: "),
        ("cells: {nodes: 1, nodes: 2}\n", "s.yaml:1:"),
        ("description: x\n", "s.yaml:1:1: cells: a mapping of fields"),
        ("cells: []\n", "s.yaml:1:1: cells: a mapping of fields"),
        ("cells: [1]\n", "s.yaml:1:1: cells: a mapping of fields"),
        ("cells: {1: 2}\n", "s.yaml:1:9: 1: a field name must be text"),
        ("cells:\n  - <<: {chnk: 5}\n    nodes: 1\n", "s.yaml:2:5: chnk: unknown field"),
        ("cells:\n  - <<: {5: 5}\n", "s.yaml:2:5: 5: a field name must be text"),
        ("<<: {cells: []}\n", "s.yaml:1:1: cells: a mapping of fields"),
        ("--- {}\n--- {}\n", "s.yaml:2:1: expected a single document in the stream, but found another"),
        ("cells:\n\tnodes: 1\n", "s.yaml:2:1: found character"),
        ("cells: {nodes: true}\n", "s.yaml:1:9: nodes: an integer, not True"),
        ("cells: {nodes: .nan}\n", "s.yaml:1:9: nodes: an integer, not nan"),
        ("cells: {content: }\n", "s.yaml:1:9: content: a size, such as 10k, not None"),
        ("cells: {delay: {a: 1}}\n", "s.yaml:1:9: delay: a duration, such as 250ms, not a mapping of 1"),
        ("cells: {mtu: }\n", "s.yaml:1:9: mtu: one value, or a mapping of client and server, not None"),
        ("cells: {family: [ipv4, [ipv6]]}\n", "s.yaml:1:24: family: 'ipv4' or 'ipv6', not a list of 1"),
        ("cells:\n  - {nodes: 1}\n  - {nodes: 1}\n", "s.yaml:3:5: duplicate cell"),
        ("cells: &a [*a]\n", "s.yaml:1:1: cells: a mapping of fields"),
        ("x: \x00\n", "s.yaml:1:1: not YAML"),
        ("cells:\n  - &a {[{b: 1}]}\n  - <<: *a\n    nodes: 3\n", "s.yaml:1:1: not YAML: unhashable"),
        ("cells: {nodes: !!python/tuple [x]}\n", "s.yaml:1:16: tags (!) are not supported"),
        ("cells:\n  - !!omap nodes: 1\n", "s.yaml:2:5: tags (!) are not supported"),
    ],
)
def test_an_invalid_scenario(text: str, message: str) -> None:
    assert problems(text)[0].startswith(message)


def test_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = problems("\n".join([*lines, "cells: {nodes: *a9}", ""]))
    assert found == (f"s.yaml:1:1: with aliases expanded, the file has more than {MAX_VALUES} values",)


def test_aliases_and_merges_of_cells() -> None:
    text = "cells:\n  - &one {nodes: 1, content: 5}\n  - {<<: *one, family: ipv6, content: 7}\n"
    cells = [planned.cell for planned in parse_scenario(text, "s.yaml").cells]
    assert [(cell.nodes, cell.content_bytes, cell.family) for cell in cells] == [(1, 5, "ipv4"), (1, 7, "ipv6")]


def test_a_huge_file_is_rejected_unread() -> None:
    assert "larger than" in problems("#" * (MAX_FILE_CHARACTERS + 1))[0]


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_the_scenarios_that_come_with_the_project(path: Path) -> None:
    scenario = parse_scenario(path.read_text(), path.name)
    assert scenario.description
    assert scenario.cells


def test_the_conformance_matrix_is_whole() -> None:
    path = next(path for path in SCENARIOS if path.name == "conformance.yaml")
    cells = [planned.cell for planned in parse_scenario(path.read_text(), path.name).cells]
    assert {(cell.client, cell.server, cell.family) for cell in cells} == {
        (client, server, family) for client in ("py", "c") for server in ("py", "c") for family in ("ipv4", "ipv6")
    }
