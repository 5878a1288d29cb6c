import re
from pathlib import Path

import pytest

from tools.ci_steps import ROOT, Job, fill, jobs, load, run


def test_a_matrix_makes_a_job_of_each_combination() -> None:
    workflow = {
        "jobs": {
            "one": {"steps": [{"uses": "somebody/checkout"}, {"run": "true\n"}]},
            "two": {
                "strategy": {"matrix": {"family": ["ipv4", "ipv6"], "n": [1]}},
                "env": {"FAMILY": "${{ matrix.family }}"},
                "steps": [{"run": 'test "$FAMILY"'}, {"run": "false"}],
            },
        }
    }
    assert list(jobs(workflow)) == [
        Job("one", {}, ("true",)),
        Job("two ipv4 1", {"FAMILY": "ipv4"}, ('test "$FAMILY"', "false")),
        Job("two ipv6 1", {"FAMILY": "ipv6"}, ('test "$FAMILY"', "false")),
    ]


def test_what_cannot_be_filled_in_is_refused() -> None:
    assert fill("${{ matrix.a }} and ${{ matrix.b }}", {"a": "1", "b": "2"}) == "1 and 2"
    with pytest.raises(ValueError, match="secrets"):
        fill("${{ secrets.token }}", {})


def test_commands_stop_at_the_first_that_fails(tmp_path: Path) -> None:
    assert run(Job("j", {"NAME": "a"}, ('touch "$NAME"', "false | true", "touch b")), tmp_path) != 0
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_workflow_runs_what_people_run() -> None:
    """Every command of the workflow is one of the README or of CONTRIBUTING, so neither becomes outdated alone."""
    pages = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    for job in load():
        for command in job.commands:
            assert command.replace(' "$FAMILY"', "").replace('"$KERNEL"', "sid").removeprefix(".venv/bin/") in pages


def test_the_workflow_covers_both_families_and_all_tests() -> None:
    found = load()
    assert {job.env["FAMILY"] for job in found if "FAMILY" in job.env} == {"ipv4", "ipv6"}
    assert "make test" in {job.commands[-1] for job in found}


def test_ci_is_what_a_person_runs() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if not line.startswith("#")]
    assert re.findall(r"make .*", "\n".join(lines)) == ["make test"]
