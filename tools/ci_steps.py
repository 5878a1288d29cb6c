"""Run the commands of the CI workflow on this machine, in their order, in a fresh clone of the last commit.

The clone replaces what a hosted runner adds (a checkout, kept artefacts). The jobs run one after another; each
combination of a job's matrix is a separate job. The only expression that is supported is `matrix.NAME` in a job's `env`
or in a command; any other is an error, so that nothing is skipped silently.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROOT: Final = Path(__file__).resolve().parents[1]
WORKFLOW: Final = ROOT / ".github" / "workflows" / "ci.yml"


@dataclass(frozen=True, slots=True)
class Job:
    """Hold one job of the workflow for one combination of its matrix: its commands and their environment."""

    name: str
    env: Mapping[str, str]
    commands: tuple[str, ...]


def fill(text: str, matrix: Mapping[str, str]) -> str:
    """Insert the values of the matrix into a text.

    Raises:
        ValueError: The text contains any other expression.

    """
    filled = re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda match: matrix[match[1]], text)
    if "${{" in filled:
        raise ValueError(f"unsupported expression: {filled}")
    return filled


def jobs(workflow: Mapping[str, Any]) -> Iterator[Job]:
    """Yield the jobs of a workflow with the commands that they run."""
    for name, job in workflow["jobs"].items():
        matrix = job.get("strategy", {}).get("matrix", {})
        for values in itertools.product(*matrix.values()):
            chosen = dict(zip(matrix, map(str, values), strict=True))
            yield Job(
                name=" ".join([name, *chosen.values()]),
                env={key: fill(str(value), chosen) for key, value in job.get("env", {}).items()},
                commands=tuple(fill(step["run"], chosen).strip() for step in job["steps"] if "run" in step),
            )


def load() -> list[Job]:
    """Return the jobs of this project's workflow."""
    return list(jobs(YAML(typ="safe").load(WORKFLOW)))


def run(job: Job, checkout: Path) -> int:
    """Run the commands of a job as a hosted runner does, up to the first that fails; return its exit code."""
    for command in job.commands:
        print(f"\n[{job.name}] {command}", flush=True)
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
        status = subprocess.run(shell, cwd=checkout, env=os.environ | job.env | {"CI": "true"}, check=False).returncode
        if status:
            return status
    return 0


def main() -> int:
    """Run all jobs, or those whose names begin with an argument; return the exit code."""
    parser = argparse.ArgumentParser(prog="ci_steps", description="Run the steps of the CI workflow here.")
    parser.add_argument("--list", action="store_true", help="print the commands and run nothing")
    parser.add_argument("jobs", nargs="*", help="run only the jobs whose names begin with one of these")
    arguments = parser.parse_args()
    chosen = [job for job in load() if not arguments.jobs or job.name.startswith(tuple(arguments.jobs))]
    if arguments.list:
        print(*(f"[{job.name}] {command}" for job in chosen for command in job.commands), sep="\n")
        return 0
    failed = []
    for job in chosen:
        with tempfile.TemporaryDirectory(prefix="testbed-ci-") as folder:
            subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
            if run(job, Path(folder)):
                failed.append(job.name)
    print(f"\n{len(chosen) - len(failed)} of {len(chosen)} jobs ok" + "".join(f", failed: {name}" for name in failed))
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
