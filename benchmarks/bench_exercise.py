"""The reference figures: the exercise in full length, 1.3 MB to a reader of 8192 bytes per second.

Six cells, C to C over IPv4 with cubic: writes of 100 B, 1 kB and 10 kB, with the kernel's buffers and with small ones.
They wait for most of their three minutes, so they run at the same time. The goals are the reference figures with a
band: closed forms for small buffers; for the kernel's buffers, where the result depends on slow start, only a range.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any, Final

from benchmarks.figure import Figure

NODES: Final = 1019  # of 1276 bytes: 1 300 248 with the header
CHUNKS: Final = {"100 B": "100", "1 kB": "1000", "10 kB": "10000"}
BUFFERS: Final = {"kernel's buffers": "0", "small buffers": "8192"}
DEADLINE_S: Final = 900

SMALL_PERIODS: Final = {"100 B": 89, "1 kB": 89, "10 kB": 119}
SMALL_PROBES: Final = {"100 B": 267, "1 kB": 267, "10 kB": 297}
GOODPUT: Final = 7240.0
BAND: Final = 0.15
"""Tolerance for zero-window periods and probes: one that is missed or split shifts those that follow."""


def measure() -> Iterator[Figure]:
    """Run the cells and compare them with the reference figures."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(CHUNKS) * len(BUFFERS)) as pool:
        names = list(product(CHUNKS, BUFFERS))
        results = pool.map(lambda name: _run(folder, CHUNKS[name[0]], BUFFERS[name[1]]), names)
        for (chunk, buffers), result in zip(names, results, strict=True):
            yield from _figures(chunk, buffers, result)


def _run(folder: str, chunk: str, buffers: str) -> dict[str, Any]:
    words = f"--client c --server c --nodes {NODES} --chunk {chunk} --delay 1s --read-size 8192 --congestion cubic"
    argv = [sys.executable, "-m", "testbed", "run", *words.split(), "--json", "--output", folder]
    argv += ["--sndbuf", buffers, "--rcvbuf", buffers]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        raise RuntimeError(f"the cell failed: {done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)["results"][0]
    return result


def _figures(chunk: str, buffers: str, result: dict[str, Any]) -> Iterator[Figure]:
    found = {finding["name"]: finding["facts"] for finding in result["findings"]}
    what = f"exercise, {chunk}, {buffers}"
    small = BUFFERS[buffers] != "0"
    periods, probes = found["window-closed"]["periods"], found["window-probes"]["probes"]
    if small:
        yield from _banded(f"{what}: zero-window periods", periods, SMALL_PERIODS[chunk])
        yield from _banded(f"{what}: probes", probes, SMALL_PROBES[chunk])
    else:
        yield Figure(f"{what}: zero-window periods", periods, "", least=10, most=40)
        yield Figure(f"{what}: probes", probes, "", least=50, most=110)
    yield Figure(f"{what}: window closed", found["window-closed"]["closed_share"], "", least=0.85 if small else 0.95)
    yield Figure(f"{what}: limited by it", found["sender-limit"]["receive_window_share"], "", least=0.97)
    observed = found["read-rate"]["observed_bytes_per_s"]
    low, high = (GOODPUT * 0.93, GOODPUT * 1.07) if small else (7000, 8200)
    yield Figure(f"{what}: goodput", observed, "B/s", least=low, most=high)


def _banded(name: str, value: float, reference: float) -> Iterator[Figure]:
    yield Figure(name, value, "", least=reference * (1 - BAND), most=reference * (1 + BAND))
