"""Median and spread of the figures of repeated cells. No I/O.

Times of different machines are not comparable: each machine's repetitions are summarised by themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from testbed.result import Result
from testbed.units import format_rate, format_seconds, pluralize

METRICS: Final = (
    "duration_s",
    "goodput_bytes_per_s",
    "write_s",
    "write_blocked_s",
    "write_longest_s",
    "read_delay_total_s",
    "bytes_ahead_max",
    "first_zero_window_s",
    "rtt_median_ms",
)
"""The figures of a result that differ from repetition to repetition."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, interpolated between neighbours (as numpy and R's type 7 do)."""
    position = share * (len(values) - 1)
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (position - low)


def spread(values: Iterable[float]) -> dict[str, float | int]:
    """Return number, extremes, quartiles and median of at least one value."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "min": ordered[0],
        "q1": quantile(ordered, 0.25),
        "median": quantile(ordered, 0.5),
        "q3": quantile(ordered, 0.75),
        "max": ordered[-1],
    }


@dataclass(slots=True)
class _Group:
    statuses: dict[str, int] = field(default_factory=dict)
    unreliable: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)


class Repeats:
    """Collects the results of repeated cells, in any order; only the last attempt of each repetition is to be added."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, _Group]] = {}

    def add(self, result: Result) -> None:
        """Add a result. Figures count if it passed and its timing is not unreliable."""
        group = self._cells.setdefault(result.cell, {}).setdefault(result.machine_name, _Group())
        group.statuses[result.status] = group.statuses.get(result.status, 0) + 1
        if result.status != "passed":
            return
        if result.timing_reliable is False:
            group.unreliable += 1
            return
        for name, value in figures(result).items():
            group.values.setdefault(name, []).append(value)

    def document(self) -> list[dict[str, Any]]:
        """Return the list `repeats` of `run.json`: an entry for each cell and machine."""
        return [
            {
                "cell": cell,
                "machine_name": machine,
                "statuses": group.statuses,
                "unreliable": group.unreliable,
                "metrics": {name: spread(group.values[name]) for name in METRICS if name in group.values},
            }
            for cell, machines in self._cells.items()
            for machine, group in sorted(machines.items())
        ]


def figures(result: Result) -> dict[str, float]:
    """Return the known figures of a result by the names of `METRICS`."""
    rtt = result.metrics.rtt_ms
    known = {**result.metrics.model_dump(exclude={"rtt_ms"}), "rtt_median_ms": rtt.median if rtt else None}
    return {name: known[name] for name in METRICS if known[name] is not None}


def repeat_lines(document: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the entries of `repeats` for a terminal: duration and goodput of each cell, machines apart."""
    lines: list[str] = []
    for cell, entries in groupby(document, key=lambda entry: entry["cell"]):
        machines = list(entries)
        lines.append(f"  {cell}")
        for entry in machines:
            on = f" on {entry['machine_name'] or 'an unknown machine'}" if len(machines) > 1 else ""
            lines += [f"    {line}{on}" for line in _entry_lines(entry)]
        if len(machines) > 1:
            lines.append("    figures of different machines are not comparable")
    return lines


def _entry_lines(entry: Mapping[str, Any]) -> list[str]:
    count = sum(entry["statuses"].values())
    passed = entry["statuses"].get("passed", 0)
    used = passed - entry["unreliable"]
    head = f"{used} of {pluralize(count, 'repetition')}"
    without = f" ({entry['unreliable']} with unreliable timing left out)" if entry["unreliable"] else ""
    if "duration_s" not in entry["metrics"]:
        return [f"{head}{without}: no figures"]
    shown = [
        f"{label} {formatted(values['median'])} (min {formatted(values['min'])}, "
        f"quartiles {formatted(values['q1'])} and {formatted(values['q3'])}, max {formatted(values['max'])})"
        for name, label, formatted in (
            ("duration_s", "duration", format_seconds),
            ("goodput_bytes_per_s", "goodput", format_rate),
        )
        if (values := entry["metrics"].get(name))
    ]
    return [f"{head}{without}: median {text}" for text in shown]
