"""What `testbed matrix` prints while cells end, without Docker: the executor of the run is replaced."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from testbed.cli import cli
from testbed.cli.display import Display
from testbed.result import cell_folder
from testbed.run.executor import Attempt
from testbed.run.run import RunReport
from testbed.run.run_plan import RunPlan
from testbed.run.summary import Summary, summary_of
from testbed.scenario.expand import Scenario, expand
from tests.support.runs import result, write_run

CELLS = tuple(expand({"nodes": [1, 2, 3]}))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[tuple[int, int]]], None]:
    """Return a function that lets a run consist of these attempts: indexes of cells, and numbers of their attempts."""

    def play(attempts: list[tuple[int, int]]) -> None:
        def execute(
            scenario: Scenario, _chosen: object, display: Display, _rules: object, plan: RunPlan, **_: Any
        ) -> RunReport:
            ended: list[Summary] = list(plan.continued.kept if plan.continued else ())
            run = plan.continued.path if plan.continued else Path("r")
            for index, number in attempts:
                planned = scenario.cells[index]
                attempt = Attempt(planned, number, run / cell_folder(planned.id, 1, number))
                made = result(planned.id, attempt=number)
                display.begin(attempt, len(scenario.cells), len(scenario.cells))
                display.end(attempt, made)
                ended.append(summary_of(made, bytes_on_disk=0, ended_ns=1))
            return RunReport("r", run, ended)

        monkeypatch.setattr("testbed.cli.matrix_command.execute", execute)

    return play


def lines(*arguments: str) -> list[str]:
    done = CliRunner().invoke(cli, ["matrix", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return [line for line in done.stdout.splitlines() if not line.startswith(" ")]


def test_a_repeated_cell_keeps_its_number(tmp_path: Path, played: Callable[[list[tuple[int, int]]], None]) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text("cells: {nodes: [1, 2, 3]}\n")
    played([(0, 1), (2, 1), (1, 1), (2, 2)])
    shown = lines(str(scenario), "--output", str(tmp_path))
    assert [line.split()[0] for line in shown[:4]] == ["1/3", "2/3", "3/3", "2/3"]
    assert shown[4] == "3 cells: 3 passed; 1 repeated alone"


def test_a_resumed_run_counts_on_from_what_it_has(
    tmp_path: Path, played: Callable[[list[tuple[int, int]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it repeats cells that an earlier process has run."""
    repeated: list[str] = []
    monkeypatch.setattr(Display, "repeat", lambda _self, folders: repeated.extend(folders))
    write_run(tmp_path, "r", CELLS, statuses=["passed", "passed", "error"], timing_reliable=False)
    played([(2, 1), (1, 2), (0, 2)])
    shown = lines("--resume", "r", "--output", str(tmp_path))
    assert [line.split()[0] for line in shown[:3]] == ["3/3", "2/3", "1/3"]
    assert shown[3] == "3 cells: 3 passed; 2 repeated alone"
    assert repeated == [CELLS[0].folder, CELLS[1].folder]
