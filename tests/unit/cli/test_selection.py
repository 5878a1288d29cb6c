"""The options that choose cells, `list` and `merge`, without Docker."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from testbed import cli
from testbed.cli.selection_options import chosen_cells
from testbed.errors import InputError
from testbed.run.lock import locked
from testbed.scenario.expand import expand
from testbed.scenario.select import Selection, Shards
from tests.support.runs import document, write_run

SCENARIO = "cells:\n  nodes: [1, 2, 3]\n  family: [ipv4, ipv6]\n"
CELLS = tuple(expand({"nodes": [1, 2, 3], "family": ["ipv4", "ipv6"]}))


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO)
    return str(path)


def call(*arguments: str) -> Any:
    done = CliRunner().invoke(cli.cli, [*arguments], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def planned(*arguments: str) -> list[str]:
    done = call("matrix", *arguments, "--dry-run", "--json")
    return [cell["id"] for cell in json.loads(done.stdout)["cells"]]


def test_a_dry_run_shows_the_chosen_cells(scenario: str) -> None:
    assert planned(scenario) == [cell.id for cell in CELLS]
    chosen = [cell.id for cell in CELLS if cell.cell.family == "ipv6"]
    assert planned(scenario, "--filter", "family == ipv6") == chosen
    assert planned(scenario, "--filter", "family == ipv6", "--shard", "2/2") == chosen[1::2]
    assert planned(scenario, "--shard", "1/3", "--repeat", "2") == [cell.id for cell in CELLS[::3]] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "famly == ipv6"], "--filter:1: unknown field 'famly'"),
        (["--shard", "3/2"], "--shard: '3/2' is no shard"),
        (["--resume", "x"], "x: no such run"),
        (["--resume", "x", "--repeat", "2"], "--repeat: a run is resumed with its own cells"),
    ],
)
def test_wrong_choices(scenario: str, tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        call("matrix", scenario, *arguments, "--output", str(tmp_path))
    assert caught.value.message.startswith(message)


def test_a_file_or_a_run_is_needed() -> None:
    done = call("matrix")
    assert done.exit_code == cli.USAGE
    assert "Missing argument 'FILE'; only --resume RUN needs none." in done.output


def test_the_plan_of_a_run_that_is_resumed(scenario: str, tmp_path: Path) -> None:
    selection = Selection(shards=Shards((2,), 2), repeat=2)
    cells = selection.apply(CELLS)
    run = write_run(tmp_path, "r", cells, statuses=["passed", "error"], selection=selection, whole=CELLS)
    output = ["--output", str(tmp_path)]
    wanted = [cell.id for cell in cells]
    assert planned("--resume", "r", *output) == wanted
    assert planned(scenario, "--resume", str(run), *output) == wanted
    Path(scenario).write_text(SCENARIO.replace("3", "4"))
    with pytest.raises(InputError, match="the scenario is not that of the run r"):
        call("matrix", scenario, "--resume", "r", *output)


def test_a_run_in_use_is_not_resumed(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS)
    with locked(run), pytest.raises(InputError, match="the run r is in use by process"):
        call("matrix", "--resume", "r", "--output", str(tmp_path))


def test_runs_and_cells_are_listed(tmp_path: Path) -> None:
    output = ["--output", str(tmp_path)]
    assert call("list", *output).output == f"no runs in {tmp_path} yet\n"
    write_run(tmp_path, "r", CELLS[:3], statuses=["passed", "failed", None], conclusion=False)
    assert "r  interrupted" in call("list", *output).output
    (row,) = json.loads(call("list", "--json", *output).stdout)["runs"]
    assert (row["run"], row["cells"], row["finished"], row["statuses"]) == ("r", 3, 2, {"passed": 1, "failed": 1})
    shown = json.loads(call("list", "r", "--json", *output).stdout)
    assert [(each["folder"], each["status"]) for each in shown["attempts"]] == [
        (cell.folder, status) for cell, status in zip(CELLS, ["passed", "failed", "pending"], strict=False)
    ]
    lines = call("list", "r", *output).output.splitlines()
    assert [line.split()[0] for line in lines] == ["passed", "failed", "pending", "r"]


def test_shards_are_merged(tmp_path: Path) -> None:
    for number in (1, 2):
        selection = Selection(shards=Shards((number,), 3))
        cells = selection.apply(CELLS)
        write_run(tmp_path, f"r{number}", cells, selection=selection, whole=CELLS, machine=f"host{number}")
    output = ["--output", str(tmp_path)]
    lines = call("merge", "r2", "r1", *output).output.splitlines()
    assert lines[0] == "note: missing shards: 3 of 3"
    assert lines[1] == "note: cells ran on host1, host2; their times are not comparable"
    assert lines[2] == "4 cells: 4 passed"
    shown = json.loads(call("merge", "r2", "r1", "--json", *output).stdout)
    assert shown["missing_shards"] == [3]
    assert document(Path(shown["folder"]))["run"] == shown["run"]


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dask", "x", "--keep", "failed"], "--keep and --dask exclude each other"),
        (["--dask", "x", "--isolation", "warm"], "--isolation warm: the workers of a cluster"),
        (["--keep", "always", "--isolation", "warm"], "--isolation warm: network and sidecars serve several cells"),
    ],
)
def test_options_that_exclude_each_other(
    scenario: str, tmp_path: Path, arguments: list[str], message: str, dry_run: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        call("matrix", scenario, *arguments, *dry_run, "--output", str(tmp_path))
    assert caught.value.message.startswith(message)
    assert caught.value.hint
    assert list(tmp_path.glob("2*")) == [], "no run has begun"


def test_reuse_and_its_limits(scenario: str, tmp_path: Path) -> None:
    params = {"filter": "", "shard": None, "repeat": 1, "resume": None, "reuse": True, "dask": None, "dry_run": False}
    params |= {"isolation": "warm", "retain": "failed"}
    with chosen_cells(Path(scenario), params, tmp_path) as task:
        assert task.plan.reuse is not None
    for changed, expected in (({"reuse": False}, []), ({"dask": "x"}, ["--reuse has no effect with --dask"])):
        shown: list[str] = []
        with chosen_cells(Path(scenario), params | changed, tmp_path) as task:
            assert task.plan.reuse is None
            task.notes.listen(shown.append)
        assert [line.partition(":")[0] for line in shown] == expected
