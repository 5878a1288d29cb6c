"""Run all tests, lane by lane, and end with one line for each lane: `make test` and `make check`.

A lane that fails does not stop the others. Lanes of tests print while they run; the others print only if they fail.
The integration tests, which wait most of their time, run beside the other lanes, the kernels after them. Arguments
after `--` are passed on to the lane: `tools/lanes.py integration -- --family ipv6`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tools.lane_runner import Lane, run_lanes

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


def _tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


PROCESSORS: Final = os.cpu_count() or 1
WAITING: Final = 2
"""Integration tests at a time for each processor: a cell waits more than it computes."""

UNIT: Final = ("-n", str(PROCESSORS))
INTEGRATION: Final = (
    "-n",
    str(WAITING * PROCESSORS),
    "--dist",
    "loadgroup",
    "--no-loadscope-reorder",
    "--isolation",
    "warm",
)
KERNELS: Final = ("tests/integration", "-m", "vm", "--isolation", "warm")
"""Warm, because the start of a container is most of the work in an emulated guest."""

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
    # Behind the others: it takes what those with containers and guests, which have deadlines, leave of the processors.
    Lane("unit", ("nice", "-n", "19", *_tool("pytest", "tests/unit", *UNIT)), prints=True),
    Lane("c", ("docker", "build", "--target", "test", "--file", "Dockerfile.cserver", "."), docker=True),
    Lane(
        "integration",
        _tool("pytest", "tests/integration", *INTEGRATION),
        prints=True,
        docker=True,
        track="integration",
    ),
    # Not beside the integration tests: an emulated guest needs a processor, and its tests have deadlines.
    Lane("kernels", _tool("pytest", *KERNELS), prints=True, docker=True, track="integration"),
)


def split(argv: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the arguments before `--`, and those after it."""
    at = argv.index("--") if "--" in argv else len(argv)
    return list(argv[:at]), tuple(argv[at + 1 :])


def main() -> int:
    """Run all lanes, those without Docker, or the named lanes."""
    own, passed_on = split(sys.argv[1:])
    parser = argparse.ArgumentParser(prog="lanes", description="Run all tests.")
    parser.add_argument("--no-docker", action="store_true", help="skip the lanes that need Docker")
    parser.add_argument("names", nargs="*", help="run only these lanes")
    arguments = parser.parse_args(own)
    unknown = set(arguments.names) - {lane.name for lane in LANES}
    if unknown:
        parser.error(
            f"no such lane: {', '.join(sorted(unknown))}; the lanes are {', '.join(lane.name for lane in LANES)}"
        )
    if passed_on and len(arguments.names) != 1:
        parser.error("arguments after -- are for one lane: name it")
    chosen = [lane for lane in LANES if not arguments.names or lane.name in arguments.names]
    chosen = [replace(lane, argv=lane.argv + passed_on) for lane in chosen if not (lane.docker and arguments.no_docker)]
    return run_lanes(chosen)


if __name__ == "__main__":
    sys.exit(main())
