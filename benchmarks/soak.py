"""Check that real time cannot take the machine down: python -m benchmarks.soak --minutes 30.

Every second a shell on the host and a program in a container are started beside the load (`soak_load.py`). A response
counts from when it was due, so that a machine that stalls altogether is late, too. The exit code is 1 if a response
exceeded its bound, or a cell did not pass; Ctrl-C ends the soak early and cleans up.
"""

import argparse
import math
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any, Final

import docker

from benchmarks.cell_run import CellRun
from benchmarks.delay_error import quantile
from benchmarks.figure import Figure
from benchmarks.link_lab import build_tools, netem_image
from benchmarks.soak_load import Cells, Load, running
from testbed.units import pluralize
from tests.support.sidecar import Bed, bed

PERIOD_S: Final = 1.0
MINUTE_S: Final = 60
BOUNDS_S: Final = {"shell": 2.0, "docker exec": 10.0}
"""Longest response. Starting a program in a container takes a second or two on a machine that is this busy."""


class Responses:
    """Start a command every second in a thread, until closed; keep how long each took from when it was due."""

    def __init__(self, command: Callable[[], object]) -> None:
        self.durations_s: list[float] = []
        self._command = command
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Wait for the present response and stop."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._closing.wait(max(0.0, due_s - time.monotonic())):
            self._command()
            self.durations_s.append(time.monotonic() - due_s)
            due_s = max(due_s + PERIOD_S, time.monotonic())


def figures(
    durations_s: dict[str, list[float]], counters: dict[str, dict[str, Any]], cells: list[CellRun]
) -> Iterator[Figure]:
    """Return what the soak found: responses, the engines' lateness, the cells."""
    for what, each in durations_s.items():
        yield Figure(f"{what}: responses", len(each), "", least=1)
        if each:
            yield Figure(f"{what}: p99", quantile(each, 0.99), "s")
            yield Figure(f"{what}: longest", max(each), "s", most=BOUNDS_S[what])
    for what, link in counters.items():
        yield Figure(f"{what}: frames", link["measured"]["packets_out"], "")
        lateness_ns = link["measured"].get("lateness_ns") or {}
        for name in ("p50", "p99", "max"):
            if name in lateness_ns:
                yield Figure(f"{what}: engine late, {name}", lateness_ns[name] / 1e6, "ms")
    yield Figure("cells", len(cells), "", least=1)
    yield Figure("cells that did not pass", sum(not each.passed for each in cells), "", most=0)
    yield Figure("cells with a late link", sum(each.late for each in cells), "")
    yield Figure(
        "cells with another timing issue", sum(bool(each.timing_issues) and not each.late for each in cells), ""
    )


def _soak(client: docker.DockerClient, seconds: float) -> list[Figure]:
    """Run the load for so long, or until interrupted; return the figures and remove everything."""
    image = netem_image()
    build_tools(client)
    with ExitStack() as stack:
        try:
            return _measure(stack, client, image, seconds)
        finally:  # before the stack removes things: a second Ctrl-C must not leave any behind
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)


def _measure(stack: ExitStack, client: docker.DockerClient, image: str, seconds: float) -> list[Figure]:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    made = stack.enter_context(bed(client, image))
    load = stack.enter_context(running(made, image))
    for what, text in load.scheduling().items():
        print(f"{what}: {text}", file=sys.stderr)
    cells = stack.enter_context(closing(Cells(folder)))
    commands = _commands(made, load)
    responses = {what: stack.enter_context(closing(Responses(command))) for what, command in commands.items()}
    _wait(seconds, responses)
    for each in responses.values():
        each.close()
    cells.close()
    return list(figures({what: each.durations_s for what, each in responses.items()}, load.stop(), cells.ended))


def _commands(made: Bed, load: Load) -> dict[str, Callable[[], object]]:
    beside = made.program(load.beside, ["sleep", "infinity"])
    return {
        "shell": lambda: subprocess.run(["/bin/sh", "-c", ":"], check=True),
        "docker exec": lambda: beside.exec_run(["true"]),
    }


def left(seconds: float) -> str:
    """Return as text how much of the soak is left."""
    whole_s = round(seconds)
    if whole_s >= MINUTE_S:
        return f"{pluralize(round(whole_s / MINUTE_S), 'minute')} left"
    return "less than a minute left" if seconds > 0 else "the time is up"


def _wait(seconds: float, responses: dict[str, Responses]) -> None:
    """Wait, with a line a minute; an interrupt ends it early."""
    end_s = time.monotonic() + seconds
    try:
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(MINUTE_S, left_s))
            longest = (f"{what} {max(each.durations_s, default=0):.3f} s" for what, each in responses.items())
            print(f"{left(end_s - time.monotonic())}; longest so far: {', '.join(longest)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def minutes(text: str) -> float:
    """Return a number of minutes, at least one: for the arguments."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes; at least 1")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak and print its figures; return 1 if one misses its goal."""
    parser = argparse.ArgumentParser(prog="soak", description="Load the machine through engines under real time.")
    what = "how long the load lasts, at least 1 (default: %(default)g)"
    parser.add_argument("--minutes", type=minutes, default=30.0, metavar="MINUTES", help=what)
    seconds: float = parser.parse_args(argv).minutes * MINUTE_S
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a script started this in the background
        signal.signal(number, _interrupt)
    client = docker.from_env()
    try:
        found = _soak(client, seconds)
    except KeyboardInterrupt:
        return 130
    finally:
        client.close()
    for figure in found:
        print(figure)
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
