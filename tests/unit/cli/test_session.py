from pathlib import Path

import pytest

from testbed import cli
from testbed.cli.session import document, exit_code
from testbed.result import Failure, Metrics, Result
from testbed.run.run import RunReport


def report(*statuses: str, kinds: tuple[str, ...] = ()) -> RunReport:
    made = RunReport("r", Path("runs/r"))
    for status in statuses:
        made.results.append(
            Result(
                run="r",
                cell="c",
                status=status,  # type: ignore[arg-type]
                reason="",
                requested={},
                link={},
                metrics=Metrics(),
                timing_reliable=None,
                checks=[],
                findings=[],
                notes=[],
            )
        )
    made.failures = [Failure(kind=kind, message="x") for kind in kinds]  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report("passed", "passed"), cli.PASSED),
        (report("passed", "unsupported"), cli.PASSED),
        (report("unsupported"), cli.FAILED),
        (report("passed", "failed", "error", kinds=("timeout",)), cli.FAILED),
        (report("passed", "error", kinds=("timeout",)), cli.TIMEOUT),
        (report("passed", "error", kinds=("environment",)), cli.ENVIRONMENT),
    ],
)
def test_the_exit_code_is_that_of_the_worst_cell(made: RunReport, code: int) -> None:
    assert exit_code(made) == code


def test_a_document_names_the_folder_and_all_results() -> None:
    made = document(report("passed", "failed"))
    assert made["folder"] == "runs/r"
    assert [result["status"] for result in made["results"]] == ["passed", "failed"]
