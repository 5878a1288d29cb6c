"""Describe the time and the disk that a run will take, for --dry-run."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from testbed.archive.measured import measured_cells
from testbed.cli.matrix_options import jobs
from testbed.cli.selection_options import Task
from testbed.cli.session import Settings
from testbed.run.contract import EMULATED_SLOWNESS
from testbed.run.gauge import this_capacity
from testbed.scenario.expand import PlannedCell
from testbed.schedule.estimate import Conditions, Estimate, estimate
from testbed.schedule.span import Span
from testbed.units import format_size, pluralize


def forecast(task: Task, chosen: Settings, params: Mapping[str, Any], load: float) -> Estimate:
    """Return what the cells of a run without a result will take on this machine, beside a load."""
    cells = cells_left(task)
    conditions = Conditions(
        jobs=jobs(params),
        processors=this_capacity().processors,
        warm=params["isolation"] == "warm",
        retain=chosen.retain,
        again=params["again"],
        load=load,
        guest_slowness=EMULATED_SLOWNESS,
    )
    known = measured_cells(chosen.output, {planned.id for planned in cells}, platform.node())
    return estimate(cells, conditions, known)


def cells_left(task: Task) -> list[PlannedCell]:
    """Return the cells that have no result yet."""
    kept = {(each.cell, each.repetition) for each in task.plan.kept}
    return [planned for planned in task.scenario.cells if (planned.id, planned.repetition) not in kept]


def forecast_document(found: Estimate) -> dict[str, Any]:
    """Return an estimate for --json."""
    return {
        "cells": found.cells,
        "measured_cells": found.measured,
        "duration_s": {name: round(value, 1) for name, value in asdict(found.seconds).items()},
        "bytes": {name: round(value) for name, value in asdict(found.size_bytes).items()},
    }


def forecast_lines(found: Estimate, params: Mapping[str, Any], load: float = 0.0) -> list[str]:
    """Return an estimate as text: the likely figures, and between which the true ones should be.

    `load` is that of this machine, which the estimate assumes beside the run.
    """
    if not found.cells:
        return ["estimate: no cell is left to run"]
    cells = pluralize(found.cells, "cell")
    lines = [
        f"estimate: {cells} in about {_times(found.seconds)}, with about {_sizes(found.size_bytes)} on the disk",
        f"  {found.measured} of them by what earlier runs have measured, the others by their fields"
        if found.measured
        else "  by their fields: no earlier run here has measured them",
    ]
    if load >= 0.5:
        lines.append(f"  beside a load of {load:.1f}, as this machine has now")
    if found.guests:
        lines.append(f"  not included: guest VMs that have to be built first, for {', '.join(found.guests)}")
    if params["dask"]:
        lines.append("  as if this machine ran them: what the workers of --dask can do is not known")
    if params["reuse"]:
        lines.append("  cells that --reuse takes from earlier runs are not subtracted")
    if params["max_duration"] is not None and found.seconds.high > params["max_duration"]:
        lines.append(f"  --max-duration {params['max_duration']:g}s may end it earlier, with cells left out")
    return lines


def _times(seconds: Span) -> str:
    return f"{format_time(seconds.likely)} ({format_time(seconds.low)} to {format_time(seconds.high)})"


def _sizes(size_bytes: Span) -> str:
    low, likely, high = (format_size(round(each)) for each in (size_bytes.low, size_bytes.likely, size_bytes.high))
    return f"{likely} ({low} to {high})"


def format_time(seconds: float) -> str:
    """Return a time that is not known exactly: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
