"""Load of the machine: pressure stall information, steal time, throttling. All are counters since boot.

Sources: the kernel's Documentation/accounting/psi.rst, proc_stat(5), Documentation/admin-guide/cgroup-v2.rst (cpu.stat)
and, for version 1, Documentation/scheduler/sched-bwc.rst.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")

PRESSURE = Path("/proc/pressure")
STAT = Path("/proc/stat")
CPU_STAT = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpu/cpu.stat"))
"""This container's own file, where Docker mounts it: cgroup version 2, then version 1."""

_RESOURCES = ("cpu", "memory", "io")
_SOME = re.compile(r"^some .*total=(\d+)", re.MULTILINE)
_THROTTLED = re.compile(r"^throttled_(?:(usec)|time) (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading; what the kernel does not report is missing or None."""

    at_ns: int
    waited_us: dict[str, int]
    """Microseconds in which some task waited for a resource, by resource."""
    ticks: tuple[int, int] | None
    """Steal time and total time of all processors."""
    throttled_ns: int | None


def parse_pressure(text: str) -> int | None:
    """Return the total stall time in microseconds, from the line `some`."""
    match = _SOME.search(text)
    return int(match[1]) if match else None


def parse_stat(text: str) -> tuple[int, int] | None:
    """Return steal ticks and total ticks of all processors; user time already includes guest time."""
    words = text.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None
    ticks = [int(word) for word in words[1:9]]
    return ticks[7], sum(ticks)


def parse_throttled(text: str) -> int | None:
    """Return for how many nanoseconds a CPU quota throttled tasks."""
    match = _THROTTLED.search(text)
    return int(match[2]) * (1000 if match[1] else 1) if match else None


def read(at_ns: int, *, pressure: Path = PRESSURE, stat: Path = STAT, cpu_stat: tuple[Path, ...] = CPU_STAT) -> Reading:
    """Read all counters now."""
    waited = {name: _parsed(pressure / name, parse_pressure) for name in _RESOURCES}
    throttled = [found for path in cpu_stat if (found := _parsed(path, parse_throttled)) is not None]
    return Reading(
        at_ns,
        {name: value for name, value in waited.items() if value is not None},
        _parsed(stat, parse_stat),
        throttled[0] if throttled else None,
    )


def between(before: Reading, after: Reading) -> dict[str, Any]:
    """Return the load between two readings; shares are of that time, or of all processors' time."""
    span_ns = max(1, after.at_ns - before.at_ns)
    facts: dict[str, Any] = {"from_ns": before.at_ns, "until_ns": after.at_ns}
    for name in sorted(before.waited_us.keys() & after.waited_us.keys()):
        waited_us = after.waited_us[name] - before.waited_us[name]
        facts[f"{name}_pressure_share"] = round(min(1.0, waited_us * 1000 / span_ns), 4)
    if before.ticks is not None and after.ticks is not None:
        stolen, passed = (late - early for early, late in zip(before.ticks, after.ticks, strict=True))
        facts["steal_share"] = round(stolen / passed, 4) if passed > 0 else 0.0
    if before.throttled_ns is not None and after.throttled_ns is not None:
        facts["throttled_s"] = (after.throttled_ns - before.throttled_ns) / 1e9
    return facts


def _parsed(path: Path, parse: Callable[[str], _T | None]) -> _T | None:
    try:
        return parse(path.read_text())
    except OSError:
        return None
