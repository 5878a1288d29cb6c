"""What `testbed matrix --dry-run` says about time and disk, without Docker."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from testbed import cli
from testbed.cli.forecast import format_time
from testbed.scenario.expand import expand
from tests.support.runs import write_run

SCENARIO = "cells:\n  delay: [1s, 2s, 3s, 4s]\n"
CELLS = tuple(expand({"delay": ["1s", "2s", "3s", "4s"]}))


@pytest.fixture(autouse=True)
def load(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the load that the machine shows: none, until a test changes it."""
    shown = [0.0]
    monkeypatch.setattr("testbed.cli.matrix_command.load_now", lambda: shown[0])
    return shown


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO)
    return str(path)


def dry(output: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli.cli, ["matrix", *arguments, "--output", str(output), "--dry-run"])
    assert done.exit_code == 0, done.output
    return done.stdout


def estimated(output: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dry(output, *arguments, "--json"))["estimate"]
    return found


def likely(output: Path, *arguments: str) -> float:
    found: float = estimated(output, *arguments)["duration_s"]["likely"]
    return found


def test_the_plan_ends_with_the_estimate(scenario: str, tmp_path: Path) -> None:
    lines = dry(tmp_path, scenario).splitlines()
    assert lines[-2].startswith("estimate: 4 cells in about 6 min (")
    assert lines[-2].endswith(" on the disk")
    assert lines[-1] == "  by their fields: no earlier run here has measured them"


def test_a_load_is_assumed_to_stay(scenario: str, tmp_path: Path, load: list[float]) -> None:
    idle = likely(tmp_path, scenario)
    load[0] = 8.04
    assert dry(tmp_path, scenario).splitlines()[-1] == "  beside a load of 8.0, as this machine has now"
    assert likely(tmp_path, scenario) > idle


def test_options_that_change_it(scenario: str, tmp_path: Path) -> None:
    found = estimated(tmp_path, scenario)
    assert found["cells"] == 4
    assert found["duration_s"]["low"] < found["duration_s"]["likely"] < found["duration_s"]["high"]
    assert likely(tmp_path, scenario, "-j", "4") < likely(tmp_path, scenario, "-j", "2") < likely(tmp_path, scenario)
    assert likely(tmp_path, scenario, "--isolation", "warm") < likely(tmp_path, scenario)
    assert likely(tmp_path, scenario, "--shard", "1/2") < likely(tmp_path, scenario)
    assert likely(tmp_path, scenario, "--repeat", "2") > 1.9 * likely(tmp_path, scenario)
    kept = estimated(tmp_path, scenario, "--retain", "summary")["bytes"]
    assert kept["high"] < found["bytes"]["low"]


def test_a_resumed_run_counts_only_what_is_left(tmp_path: Path) -> None:
    write_run(tmp_path, "r", CELLS, statuses=["passed", "failed", "error"], machine="elsewhere")
    (tmp_path / "r" / CELLS[3].folder / "result.json").unlink()
    assert estimated(tmp_path, "--resume", "r")["cells"] == 2
    write_run(tmp_path, "whole", CELLS)
    assert dry(tmp_path, "--resume", "whole").splitlines()[-1] == "estimate: no cell is left to run"


def test_earlier_runs_of_this_machine_are_used(scenario: str, tmp_path: Path) -> None:
    write_run(tmp_path, "r", CELLS[:3], machine=platform.node(), duration_s=0.5)
    assert estimated(tmp_path, scenario)["measured_cells"] == 3
    assert (
        dry(tmp_path, scenario).splitlines()[-1]
        == "  3 of them by what earlier runs have measured, the others by their fields"
    )


def test_the_estimate_names_what_it_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("cells:\n  kernel: [sid, host]\n")
    lines = dry(tmp_path, str(path), "--dask", "x", "--reuse", "--max-duration", "1s").splitlines()
    assert lines[-4:] == [
        "  not included: guest VMs that have to be built first, for sid",
        "  as if this machine ran them: what the workers of --dask can do is not known",
        "  cells that --reuse takes from earlier runs are not subtracted",
        "  --max-duration 1s may end it earlier, with cells left out",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5939, "99 min"), (12_000, "3 h 20 min")]
)
def test_times(seconds: float, text: str) -> None:
    assert format_time(seconds) == text
