"""Runs, and the cells of a run, as lines for a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from testbed.units import format_rate, format_seconds, format_size, pluralize


def age_text(age_s: float) -> str:
    """Return how long ago something was, in its largest unit: `5 s`, `3 min`, `2 h`, `4 d`."""
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= size_s:
            return f"{int(age_s // size_s)} {unit}"
    return f"{max(0, int(age_s))} s"


def run_line(row: Mapping[str, Any], now_ns: int) -> str:
    """Return the line about one run."""
    count = f"{row['finished']}/{row['cells']}"
    statuses = ", ".join(f"{number} {status}" for status, number in row["statuses"].items())
    shards = f", shard {row['shards']}" if row["shards"] else ""
    age = age_text((now_ns - row["changed_ns"]) / 1e9)
    size = format_size(row["bytes"])
    what = f"{row['scenario']}{shards}: {statuses or 'no results'}"
    return f"{row['run']}  {row['state']:<11}  {count:>13}  {size:>8}  {age:>6} ago  {what}"


def cell_line(row: Mapping[str, Any], *, machines: bool) -> str:
    """Return the line about one attempt at a cell; `machines`: whether to name its machine."""
    took = format_seconds(row["duration_s"]) if row["duration_s"] is not None else ""
    goodput = format_rate(row["goodput_bytes_per_s"]) if row["goodput_bytes_per_s"] is not None else ""
    marks = [
        f"on {row['machine_name']}" if machines and row["machine_name"] else "",
        f"from {row['reused_from']}" if row["reused_from"] else "",
        "timing unreliable" if row["timing_reliable"] is False else "",
        row["reason"].splitlines()[0] if row["reason"] else "",
    ]
    return (
        f"{row['status']:<11} {row['folder']:<48} {took:>9}  {goodput:>10}  {'  '.join(filter(None, marks))}".rstrip()
    )


def cell_lines(rows: Iterable[Mapping[str, Any]], machines: int) -> Iterable[str]:
    """Yield the lines about the cells of a run whose cells ran on so many machines."""
    for row in rows:
        yield cell_line(row, machines=machines > 1)
    if machines > 1:
        yield f"{pluralize(machines, 'machine')}: times of different machines are not comparable"
