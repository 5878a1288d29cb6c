"""Run the benchmarks of this folder one after another and print their figures, for `make bench`.

A benchmark is a file `bench_*.py` with a function `measure` that yields `Figure`s. The exit code is 1 if a figure
misses its goal.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from benchmarks.figure import Figure
from benchmarks.revision import revision_before
from testbed.errors import InputError

FOLDER: Final = Path(__file__).resolve().parent


def names() -> list[str]:
    """Return the names of the benchmarks."""
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def load(name: str) -> Callable[[], Iterable[Figure]]:
    """Return the `measure` function of a benchmark."""
    found: Callable[[], Iterable[Figure]] = importlib.import_module(f"benchmarks.bench_{name}").measure
    return found


def machine() -> dict[str, object]:
    """Return the properties of the machine that the figures depend on."""
    return {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def refuse(parser: argparse.ArgumentParser, error: InputError) -> NoReturn:
    """Report invalid input in one line, with its hint, and exit with code 2."""
    parser.error(f"{error.message}; {error.hint}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run all benchmarks or those named; print one line per figure, or one document with --json."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure speed, memory and overhead.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {' '.join(names())}")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - set(names()):
        parser.error(f"no such benchmark: {' '.join(sorted(unknown))}")
    chosen = arguments.names or names()
    if "punctual" in chosen:  # which is the last of all: not after the others
        try:
            revision_before()
        except InputError as error:
            refuse(parser, error)
    out = sys.stderr if arguments.json else sys.stdout
    figures: list[Figure] = []
    for name in chosen:
        for figure in load(name)():
            figures.append(figure)
            print(figure, file=out, flush=True)
    if arguments.json:
        print(json.dumps({"machine": machine(), "figures": [figure.record() for figure in figures]}, indent=2))
    missed = [figure.name for figure in figures if not figure.met]
    print(f"{len(figures)} figures, {len(missed)} short of their goal" + "".join(f": {n}" for n in missed), file=out)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
