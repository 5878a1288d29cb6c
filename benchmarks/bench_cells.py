"""Sixteen cells over the user engine at the same time: how many pass, and how many links are late."""

import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.cell_run import Cell
from benchmarks.figure import Figure
from benchmarks.link_lab import netem_image
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images

CELLS: Final = 16
TIMEOUT_S: Final = 600


def measure() -> Iterator[Figure]:
    """Start the cells in a loop and wait for all, in about a minute."""
    _build_images()
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.monotonic()
        started = [Cell(folder) for _ in range(CELLS)]
        ended = [cell.result(TIMEOUT_S) for cell in started]
        duration_s = time.monotonic() - began_s
    what = f"{CELLS} cells at once"
    for each in ended:
        if not each.passed or each.late:
            print(f"{each.status}: {each.reason} {'; '.join(each.timing_issues)}", file=sys.stderr)
    yield Figure(f"{what}, passed", sum(each.passed for each in ended), "", least=CELLS)
    yield Figure(f"{what}, link late", sum(each.late for each in ended), "", most=0)
    yield Figure(f"{what}, both engines under real time", sum(each.real_time for each in ended), "", least=CELLS)
    yield Figure(f"{what}, with any timing issue", sum(bool(each.timing_issues) for each in ended), "")
    late_ms = [each.lateness_p99_ms for each in ended if each.lateness_p99_ms is not None]
    if late_ms:
        yield Figure(f"{what}, worst p99 of an engine's lateness", max(late_ms), "ms", samples=late_ms)
    yield Figure(f"{what}, duration", duration_s, "s")


def _build_images() -> None:
    """Build what is missing, so that sixteen processes do not do so at once."""
    netem_image()
    engine = DockerEngine()
    engine.connect()
    for name in ("client", "server"):
        Images(engine, lambda _line: None).ours(name)
    engine.close()
