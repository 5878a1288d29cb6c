import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import InputError
from testbed.run.plan_document import (
    check_same,
    plan_document,
    planned_cells,
    planned_names,
    requested_of,
    run_text,
)
from testbed.scenario.expand import PlannedCell, expand
from testbed.scenario.select import repeated

FIELDS: dict[str, Any] = {
    "family": ["ipv4", "ipv6"],
    "delay": ["0", "1.5s"],
    "latency": ["20ms", "1m"],
    "netem_client": [None, "loss 1%"],
    "profile": [[{"at": "1s", "netem": "loss 1%"}], {"client": [{"at": "1s", "netem": "delay 5ms"}]}],
    "sysctl": [{}, {"net.ipv4.tcp_sack": "client=0"}],
    "timeout": [None, "5s"],
    "congestion": ["", "client=reno"],
    "rto_min": ["", "300ms"],
    "chunk": [1, "10k"],
    "nodelay": [False, True],
    "sample_interval": ["20ms", "0"],
}


@given(st.sets(st.sampled_from(sorted(FIELDS)), max_size=4), st.integers(1, 3))
def test_a_plan_reads_back(names: set[str], times: int) -> None:
    given_fields = {name: FIELDS[name] for name in names - {"profile"}}
    if "netem_client" in names:
        given_fields.pop("latency", None)
    cells = repeated(expand(given_fields), times)
    document = json.loads(run_text({"run": "r", **plan_document(cells), "kernel": "6"}))
    assert planned_cells(document) == cells
    assert planned_names(document) == [(cell.id, cell.repetition) for cell in cells]
    assert requested_of(document) == {cell.id: cell.cell.requested() for cell in cells}


@pytest.mark.parametrize("profile", FIELDS["profile"])
def test_a_profile_reads_back(profile: Any) -> None:
    cells = tuple(expand({"profile": profile}))
    assert planned_cells(json.loads(run_text(plan_document(cells)))) == cells


def test_few_cells_have_all_their_fields() -> None:
    cells = repeated(expand({"family": ["ipv4", "ipv6"]}), 2)
    document = plan_document(cells)
    assert document["cells"][0] == {"id": cells[0].id, "requested": cells[0].cell.requested()}
    assert document["requested"] == {}


def test_what_many_cells_share_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.run.plan_document.FEW_CELLS", 3)
    cells = repeated(expand({"family": ["ipv4", "ipv6"], "delay": ["1s", "2s"]}), 2)
    document = plan_document(cells)
    assert document["cells"][0] == {"id": cells[0].id, "requested": {"family": "ipv4", "read_delay": "1s"}}
    assert document["cells"][4] == {"id": cells[0].id, "repetition": 2}
    assert document["requested"]["client"] == "py"


def test_a_plan_of_an_earlier_version() -> None:
    (cell,) = expand({})
    document = {"cells": [{"id": cell.id, "requested": cell.cell.requested()}]}
    assert planned_cells(document) == (cell,)


@pytest.mark.parametrize(
    "document", [{}, {"cells": 3}, {"cells": [3]}, {"cells": [{}]}, {"cells": [{"id": "a", "repetition": 2}]}]
)
def test_a_damaged_plan(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        planned_cells(document)


def test_each_cell_is_on_one_line() -> None:
    document = {"run": "r", "description": '"cells": []\n  "cells": []', **plan_document(expand({"nodes": [1, 2, 3]}))}
    text = run_text(document)
    assert json.loads(text) == document
    assert sum('"id"' in line for line in text.splitlines()) == 3
    assert json.loads(run_text({"run": "r"})) == {"run": "r"}


def test_a_scenario_that_is_not_that_of_the_run() -> None:
    ours, theirs = expand({"nodes": [1, 2, 3]}), expand({"nodes": [2, 3, 4]})
    check_same("r", ours, ours[::-1], ({}, {}))
    with pytest.raises(InputError) as caught:
        check_same("r", ours, theirs, ({"t.dist": b"1"}, {"t.dist": b"2"}))
    assert caught.value.problems == (
        "the scenario is not that of the run r:",
        f"  {ours[0].folder}: only in the run",
        f"  {theirs[2].folder}: only in the scenario",
        "  t.dist: not the file of the run",
    )
    assert "omit the file" in caught.value.hint


def test_only_some_of_many_differences_are_listed() -> None:
    with pytest.raises(InputError) as caught:
        check_same("r", expand({"nodes": list(range(20))}), expand({"nodes": 99}), ({}, {}))
    assert caught.value.problems[-1] == "  ... and 16 more"


def test_equal_ids_with_other_fields() -> None:
    (one,) = expand({})
    (other,) = expand({"nodes": 5})
    with pytest.raises(InputError, match="has other fields in the scenario"):
        check_same("r", [one], [PlannedCell(one.id, other.cell)], ({}, {}))
