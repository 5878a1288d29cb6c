"""Run all tests, lane by lane, and end with one line for each lane: `make test` and `make check`.

A lane that fails does not stop the others. Lanes of tests print while they run; the others print only if they fail.
The lane with most output, the integration tests, is the last.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
BIN: Final = Path(sys.executable).parent
WORKFLOW: Final = ".github/workflows/ci.yml"
GUEST: Final = "app/testbed/vm/guest"
DOCKERFILES: Final = (
    *("Dockerfile.client", "Dockerfile.server", "Dockerfile.cserver", "netem/Dockerfile"),
    *(f"{GUEST}/{name}.Dockerfile" for name in ("guest", "kernel", "kernels", "maker")),
)
SCRIPTS: Final = (
    *("tools/setup", "tools/lock", ".ci/run"),
    *(f"{GUEST}/{name}" for name in ("init", "first-stage", "get-kernel", "look-up-kernels", "make-disk")),
)


@dataclass(frozen=True, slots=True)
class Lane:
    """Hold one command, which passes if its exit code is 0; with `prints`, its output is shown while it runs."""

    name: str
    argv: tuple[str, ...]
    prints: bool = False
    docker: bool = False


def _tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


LANES: Final = (
    Lane("format", _tool("ruff", "format", "--check", ".")),
    Lane("lint", _tool("ruff", "check", ".")),
    Lane("types", _tool("mypy")),
    Lane("generated", _tool("python", "tools/generate.py", "--check")),
    Lane("compose file", _tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")),
    Lane("workflow", _tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)),
    Lane("workflow risks", _tool("zizmor", "--offline", "--no-progress", WORKFLOW)),
    Lane("dockerfiles", _tool("hadolint", *DOCKERFILES)),
    Lane("shell", _tool("shellcheck", *SCRIPTS)),
    Lane("unit", _tool("pytest", "tests/unit"), prints=True),
    Lane("c", ("docker", "build", "--target", "test", "--file", "Dockerfile.cserver", "."), docker=True),
    Lane("kernels", _tool("pytest", "tests/integration", "-m", "vm"), prints=True, docker=True),
    Lane("integration", _tool("pytest", "tests/integration"), prints=True, docker=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold the exit code of a lane and its duration."""

    lane: Lane
    status: int
    took_s: float

    def __str__(self) -> str:
        """Return the line of the summary."""
        return f"{self.lane.name:<16} {'ok' if self.status == 0 else 'FAILED':<7} {self.took_s:6.1f} s"


def run_lane(lane: Lane) -> Outcome:
    """Run one lane; show its output if it fails."""
    start_s = time.monotonic()
    if lane.prints:
        print(f"\n{lane.name}", flush=True)
        status = subprocess.run(lane.argv, cwd=ROOT, check=False).returncode
    else:
        done = subprocess.run(
            lane.argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        status = done.returncode
        if status:
            print(f"\n{' '.join(lane.argv)}\n{done.stdout}", flush=True)
    return Outcome(lane, status, time.monotonic() - start_s)


def run_lanes(lanes: Sequence[Lane], run: Callable[[Lane], Outcome] = run_lane) -> int:
    """Run the lanes in order, print the summary, return the exit code."""
    outcomes = [run(lane) for lane in lanes]
    failed = [outcome for outcome in outcomes if outcome.status]
    print("", *outcomes, sep="\n")
    total_s = sum(outcome.took_s for outcome in outcomes)
    verdict = f"{len(failed)} of {len(outcomes)} lanes failed" if failed else f"all {len(outcomes)} lanes ok"
    print(f"{verdict}, {total_s:.0f} s", flush=True)
    return 1 if failed else 0


def main() -> int:
    """Run all lanes, those without Docker, or the named lanes."""
    parser = argparse.ArgumentParser(prog="lanes", description="Run all tests.")
    parser.add_argument("--no-docker", action="store_true", help="skip the lanes that need Docker")
    parser.add_argument("names", nargs="*", help="run only these lanes")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {lane.name for lane in LANES}
    if unknown:
        parser.error(
            f"no such lane: {', '.join(sorted(unknown))}; the lanes are {', '.join(lane.name for lane in LANES)}"
        )
    chosen = [lane for lane in LANES if not arguments.names or lane.name in arguments.names]
    return run_lanes([lane for lane in chosen if not (lane.docker and arguments.no_docker)])


if __name__ == "__main__":
    sys.exit(main())
