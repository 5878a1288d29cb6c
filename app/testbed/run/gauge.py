"""What this machine shows of its load, for the scheduler."""

import os
from pathlib import Path

from testbed.schedule.admission import Capacity, Reading

PROC = Path("/proc")


def _cpu_pressure_share(proc: Path) -> float | None:
    # some avg10=12.34 avg60=... total=...: percent of the last ten seconds (PSI); not every kernel has the file.
    try:
        fields = (proc / "pressure" / "cpu").read_text().split()
    except OSError:
        return None
    values = [field.removeprefix("avg10=") for field in fields[:2] if field.startswith("avg10=")]
    return float(values[0]) / 100 if values else None


def _available_bytes(proc: Path) -> int | None:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def read_machine(proc: Path = PROC) -> Reading:
    """Return what the machine shows now; what it does not report is None."""
    return Reading(_cpu_pressure_share(proc), _available_bytes(proc))


def load_now() -> float:
    """Return how many tasks have run or waited for a processor, on the average of the last minute; 0 if unknown."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def this_capacity() -> Capacity:
    """Return what this machine has."""
    return Capacity(processors=len(os.sched_getaffinity(0)))
