from collections.abc import Mapping
from typing import Any

import pytest

from testbed.scenario.expand import MAX_CELLS, ExpansionError, cell_id, expand
from testbed.scenario.model import Cell
from testbed.scenario.validate import Problem, validate


def test_the_product_of_lists() -> None:
    cells = expand({"client": ["py", "c"], "server": ["py", "c"], "family": ["ipv4", "ipv6"], "nodes": 10})
    assert len(cells) == 8
    assert len({planned.id for planned in cells}) == 8
    assert [planned.cell.family for planned in cells[:2]] == ["ipv4", "ipv6"]
    assert all(planned.cell.nodes == 10 for planned in cells)


def test_an_id_depends_on_the_cell_and_not_on_its_position() -> None:
    one_way = {planned.id for planned in expand({"chunk": ["100", "1k"], "family": ["ipv4", "ipv6"]})}
    other_way = {planned.id for planned in expand({"family": ["ipv6", "ipv4"], "chunk": ["1024", 100]})}
    assert one_way == other_way
    assert cell_id(Cell(chunk="10k")) == cell_id(Cell(chunk=10240))
    assert cell_id(Cell(seed=1)) != cell_id(Cell(seed=2))


def test_an_id_names_what_varies() -> None:
    ids = [planned.id for planned in expand({"chunk": ["100", "10k"], "delay": "1s"})]
    assert [name.rpartition("-")[0] for name in ids] == ["py-py-ipv4-chunk_100", "py-py-ipv4-chunk_10240"]


@pytest.mark.parametrize(
    ("fields", "id_"),
    [
        (
            {"client": "c", "server": "c", "nodes": 5, "content": 10240, "rcvbuf": 8192, "latency": "20ms"}
            | {"engine": "user", "congestion": "cubic", "sample_interval": "40ms"},
            "c-c-ipv4-931e0b",
        ),
        (
            {"client": "c", "nodes": 3, "content": 12288, "delay": "1s", "sndbuf": 8192, "rcvbuf": 8192}
            | {"sample_interval": "400ms"},
            "c-py-ipv4-8823d2",
        ),
    ],
)
def test_an_id_never_changes(fields: dict[str, Any], id_: str) -> None:
    """These are the ids of kept runs: a cell has the same id in every version."""
    assert cell_id(Cell(**fields)) == id_


def test_a_later_field_is_part_of_an_id_unless_it_has_its_default() -> None:
    assert cell_id(Cell(realtime="auto")) == cell_id(Cell())
    assert len({cell_id(Cell(realtime=choice)) for choice in ("auto", "off", "require")}) == 3


def test_an_id_is_a_name_for_folders_and_containers() -> None:
    planned = expand({"client": "example.org:5000/Team/Image:1.2@x", "netem": ["loss 1%", "rate 1mbit"]})
    assert all(set(cell.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") for cell in planned)


def test_all_problems_at_once() -> None:
    with pytest.raises(ExpansionError) as caught:
        expand({"chunk": ["1k", "10kbit"], "familly": "ipv4", "nodes": [], "delay": 1})
    assert [(problem.field, problem.index) for problem in caught.value.problems] == [
        ("chunk", 1),
        ("familly", 0),
        ("nodes", 0),
        ("delay", 0),
    ]
    assert caught.value.problems[1].message == "unknown field; did you mean 'family'?"


def test_values_that_do_not_go_together() -> None:
    with pytest.raises(ExpansionError) as caught:
        expand({"latency": ["0", "1ms"], "jitter": ["0", "5ms"]})
    assert {problem.message.split(":")[0] for problem in caught.value.problems} == {
        "jitter 5ms requires a latency",
        "jitter 5ms exceeds latency 1ms",
    }


def test_a_duplicate_cell() -> None:
    with pytest.raises(ExpansionError, match="duplicate cell"):
        expand({"chunk": ["1k", "1024"]})


def test_too_many_cells() -> None:
    with pytest.raises(ExpansionError, match=f"produce 101101 cells, more than {MAX_CELLS}"):
        expand({"seed": list(range(101)), "nodes": list(range(1001))})


def test_each_cell_is_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    validated = []

    def counting(fields: Mapping[str, Any]) -> Cell | list[Problem]:
        validated.append(dict(fields))
        return validate(fields)

    monkeypatch.setattr("testbed.scenario.expand.validate", counting)
    assert len(expand({"nodes": [1, 2, 3], "family": ["ipv4", "ipv6"], "delay": "1s"})) == len(validated) == 6


def test_a_wrong_value_is_one_problem_however_many_cells_have_it() -> None:
    with pytest.raises(ExpansionError) as caught:
        expand({"delay": ["1", "1s", "2"], "nodes": list(range(100))})
    assert [(problem.field, problem.index) for problem in caught.value.problems] == [("delay", 0), ("delay", 2)]


def test_wrong_values_are_named_even_where_there_are_too_many_cells() -> None:
    with pytest.raises(ExpansionError) as caught:
        expand({"seed": list(range(1001)), "nodes": [*range(100), "x"]})
    assert [(problem.field, problem.index) for problem in caught.value.problems] == [("nodes", 100), ("", 0)]


def test_a_profile_is_one_value_and_a_list_of_them_several() -> None:
    one, other = ([{"at": "1s", "netem": text}] for text in ("delay 1ms", "delay 2ms"))
    assert [planned.cell.profile for planned in expand({"profile": one})] == [one]
    assert [planned.cell.profile for planned in expand({"profile": [one, other]})] == [one, other]


def test_settings_are_one_value_and_a_list_of_them_several() -> None:
    one, other = ({"net.ipv4.tcp_sack": value} for value in ("0", "1"))
    assert [planned.cell.sysctl for planned in expand({"sysctl": one})] == [one]
    assert [planned.cell.sysctl for planned in expand({"sysctl": [one, other]})] == [one, other]
