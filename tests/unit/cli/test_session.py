import json
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import cli
from testbed.cli.session import document_lines, exit_code
from testbed.result import Failure, Metrics, Result
from testbed.run.folder import create_cell_folder, write_json
from testbed.run.run import RunReport
from testbed.run.summary import summary_of


def result(cell: str, status: str, kind: str) -> Result:
    return Result(
        run="r",
        cell=cell,
        status=status,  # type: ignore[arg-type]
        reason="",
        failure=Failure(kind=kind, message="x") if kind else None,  # type: ignore[arg-type]
        requested={},
        link={},
        metrics=Metrics(),
        timing_reliable=None,
        checks=[],
        findings=[],
        notes=[],
    )


def report(*outcomes: str, folder: Path = Path("runs/r")) -> RunReport:
    """Return the report of cells with these outcomes: a status, and after a blank the kind of the failure."""
    made = RunReport("r", folder)
    for number, outcome in enumerate(outcomes):
        status, _, kind = outcome.partition(" ")
        made.summaries.append(summary_of(result(f"c{number}", status, kind), bytes_on_disk=0, ended_ns=number))
    return made


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["passed", "passed"], cli.PASSED),
        (["passed", "unsupported"], cli.PASSED),
        (["unsupported"], cli.FAILED),
        (["passed", "failed", "error timeout"], cli.FAILED),
        (["passed", "error timeout", "error environment"], cli.TIMEOUT),
        (["passed", "error environment"], cli.ENVIRONMENT),
    ],
)
def test_the_exit_code_is_that_of_the_worst_cell(outcomes: list[str], code: int) -> None:
    assert exit_code(report(*outcomes)) == code


def test_of_a_cell_that_was_repeated_alone_the_second_attempt_counts() -> None:
    made = report("failed")
    made.summaries.append(replace(made.summaries[0], attempt=2, status="passed"))
    assert exit_code(made) == cli.PASSED
    assert made.flaky == [tuple(made.summaries)]
    made.summaries[1] = replace(made.summaries[1], status="failed")
    assert (exit_code(made), made.flaky) == (cli.FAILED, [])


def test_a_run_that_left_cells_out_has_not_passed() -> None:
    made = report("passed")
    made.left_out = 1
    assert exit_code(made) == cli.TIMEOUT


def test_the_document_of_a_run_without_results() -> None:
    assert json.loads("".join(document_lines(report())))["results"] == []


def test_a_document_names_the_folder_and_all_results(tmp_path: Path) -> None:
    made = report("passed", "failed", folder=tmp_path)
    for summary in made.summaries:
        create_cell_folder(tmp_path / summary.folder)
        write_json(tmp_path / summary.folder / "result.json", result(summary.cell, summary.status, "").model_dump())
    shown = json.loads("".join(document_lines(made)))
    assert shown["folder"] == str(tmp_path)
    assert [each["status"] for each in shown["results"]] == ["passed", "failed"]
