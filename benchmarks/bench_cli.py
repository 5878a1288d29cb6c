"""Duration of `testbed --help`, mostly imports."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, median

REPEATS = 9


def measure() -> Iterator[Figure]:
    program = str(Path(sys.executable).with_name("testbed"))
    samples_ms = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True)
        samples_ms.append((time.perf_counter() - start) * 1000)
    yield median("testbed --help", samples_ms, "ms", most=150)
