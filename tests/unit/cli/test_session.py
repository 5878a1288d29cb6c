from pathlib import Path

import pytest

from testbed import cli
from testbed.cli.session import document, exit_code
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


def test_a_document_names_the_folder_and_all_results(tmp_path: Path) -> None:
    made = report("passed", "failed", folder=tmp_path)
    for summary in made.summaries:
        create_cell_folder(tmp_path / summary.folder)
        write_json(tmp_path / summary.folder / "result.json", result(summary.cell, summary.status, "").model_dump())
    shown = document(made)
    assert shown["folder"] == str(tmp_path)
    assert [each["status"] for each in shown["results"]] == ["passed", "failed"]
