"""Distribution tables, computed from the same formulas as in iproute2 (`netem/normal.c` and its siblings).

A table is the inverse of a cumulative distribution at 4096 equal steps; 8192 is one standard deviation. The tables
deviate from their names: pareto has mean -0.034 and deviation 0.82, paretonormal -0.025 and 0.83.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import floor
from statistics import NormalDist

from netem.spec.errors import SpecError

SCALE = 8192  # NETEM_DIST_SCALE
_ENTRIES = 4096
_MIN_ENTRY, _MAX_ENTRY = -32768, 32767  # s16
_GRID_START, _GRID_STEP = -10.0, 0.00005  # iproute2 steps x from here by this much
_HALF_CELL = 0.5 / 16384  # and rounds the cumulative share to this grid


@cache
def _normal_values() -> tuple[int, ...]:
    standard = NormalDist()
    values = []
    for index in range(_ENTRIES):
        largest = standard.inv_cdf(index / _ENTRIES + _HALF_CELL)
        step = floor((largest - _GRID_START) / _GRID_STEP)
        values.append(round((_GRID_START + step * _GRID_STEP) * SCALE))
    return tuple(values)


@cache
def normal() -> tuple[int, ...]:
    """Return the standard normal distribution, cut off at four deviations."""
    return tuple(max(_MIN_ENTRY, min(_MAX_ENTRY, value)) for value in _normal_values())


@cache
def pareto() -> tuple[int, ...]:
    """Return the Pareto distribution of shape 3, moved to mean 0: 4/3 (u^(-1/3) - 3/2) for u from 1 down."""
    shares = (1 - index / _ENTRIES for index in range(_ENTRIES))
    return tuple(min(_MAX_ENTRY, round((share ** (-1 / 3) - 1.5) * (4 / 3) * SCALE)) for share in shares)


@cache
def paretonormal() -> tuple[int, ...]:
    """Return a quarter of normal and three quarters of Pareto, quantile by quantile."""
    sums = (a + 3 * b for a, b in zip(_normal_values(), pareto(), strict=True))
    quarters = (value // 4 if value >= 0 else -(-value // 4) for value in sums)
    return tuple(max(_MIN_ENTRY, min(_MAX_ENTRY, value)) for value in quarters)


_BUILT_IN = {"normal": normal, "pareto": pareto, "paretonormal": paretonormal}


def table(name: str, tables: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """Return the table of that name: one of iproute2's, else one of `tables`.

    Raises SpecError if there is none.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    if name not in tables:
        raise SpecError("is not a known distribution", word=name, hint=f"use uniform, {', '.join(_BUILT_IN)} or a file")
    return tables[name]
