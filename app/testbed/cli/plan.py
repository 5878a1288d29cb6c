"""Describe what a run would do, for --dry-run."""

from typing import Any

from testbed.run.contract import EMULATED_SLOWNESS, endpoint_environment, sidecar_environment
from testbed.scenario.ends import ROLES, Role
from testbed.scenario.expand import PlannedCell, Scenario
from testbed.scenario.model import HOST, Cell
from testbed.scenario.profile import profile_changes, profile_of
from testbed.stack.subnets import PREFIX_BITS
from testbed.units import format_bytes, pluralize


def plan_document(scenario: Scenario) -> dict[str, Any]:
    """Return the cells with all settings of their containers."""
    return {"schema_version": 1, "scenario": scenario.name, "cells": [_cell(planned) for planned in scenario.cells]}


def _cell(planned: PlannedCell) -> dict[str, Any]:
    cell = planned.cell
    return {
        "id": planned.id,
        "requested": cell.requested(),
        "total_bytes": cell.total_bytes,
        "timeout_s": cell.deadline_s,
        "sysctls": {role: cell.sysctls(role) for role in ROLES},
        "impairment": {role: cell.impairment(role) for role in ROLES},
        "endpoints": {role: endpoint_environment(cell, role) for role in ROLES},
        "sidecars": {role: sidecar_environment(cell, role) for role in ROLES},
    }


def _kernel_lines(cell: Cell, role: Role) -> list[str]:
    lines = [
        f"{what} {', '.join(f'{name}={value}' for name, value in values.items())}"
        for what, values in (
            ("route metrics:", cell.route_metrics(role)),
            ("kernel settings:", cell.sysctls(role)),
        )
        if values
    ]
    entries = profile_of(cell.profile, role)
    return [*lines, f"profile of {pluralize(len(profile_changes(entries)), 'change')}"] if entries else lines


def _deadline(cell: Cell) -> str:
    there_s, emulated_s = cell.deadline_s, cell.deadline_on(EMULATED_SLOWNESS)
    if cell.kernel == HOST or there_s == emulated_s:
        return f"{there_s:.15g} s"
    return f"{there_s:.15g} s, in an emulated guest VM {emulated_s:.15g} s"


def _subnets(cell: Cell) -> str:
    ipv6 = f", an IPv6 /{PREFIX_BITS[6]}" if cell.family == "ipv6" else ""
    return f"an IPv4 /{PREFIX_BITS[4]}{ipv6} (docs/matrix.md)"


def plan_lines(scenario: Scenario) -> list[str]:
    """Return the plan as text."""
    lines = []
    for planned in scenario.cells:
        cell = planned.cell
        lines.append(
            f"{planned.id}: {cell.client} to {cell.server} over {cell.family}, {format_bytes(cell.total_bytes)}"
        )
        if cell.kernel != HOST:
            lines.append(f"  kernel: {cell.kernel}, in a guest VM, which is built if missing")
        lines.append(f"  network: internal bridge of its own, {_subnets(cell)}")
        for role in ROLES:
            impairment = (cell.impairment(role) or "none") + (", also on neighbour discovery" if cell.nd else "")
            realtime = "" if cell.realtime == "auto" else f", realtime {cell.realtime}"
            lines.append(
                f"  {role}-netem: impairment of what the {role} sends: {impairment}; engine {cell.engine}{realtime}"
            )
            lines += [f"  {role}: {text}" for text in _kernel_lines(cell, role)]
        for role in ROLES:
            environment = endpoint_environment(cell, role)
            lines.append(f"  {role}: " + " ".join(f"{name}={value}" for name, value in environment.items()))
        lines.append(f"  time-out: {_deadline(cell)}")
    return [*lines, "not checked: images, kernel, kernel settings"]
