"""The `verified` event from all series of a sidecar."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from netem.probe.series import ProbeSeries


def facts(all_series: Sequence[ProbeSeries]) -> dict[str, Any]:
    """Return the keys of the event; `rtt_ms` pools the round trips of all peers of a family."""
    round_trips: dict[str, list[int]] = {}
    for series in all_series:
        round_trips.setdefault(series.config.family, []).extend(series.round_trips_ns)
    return {
        "probes": [result.facts() for series in all_series for result in series.results],
        "clock_offset_ns": _clock_offsets(all_series),
        "rtt_ms": {family: _statistics_ms(times_ns) for family, times_ns in round_trips.items() if times_ns},
    }


def failures(all_series: Iterable[ProbeSeries]) -> list[str]:
    """Return a sentence for each direction that failed."""
    return [
        f"{result.peer} over {result.family}, {result.direction}: {result.sentence}"
        for series in all_series
        for result in series.results
        if not result.ok
    ]


def _clock_offsets(all_series: Iterable[ProbeSeries]) -> dict[str, list[int]]:
    """Return for each peer how far its clock is ahead, at least and at most; each family narrows the interval."""
    offsets: dict[str, list[int]] = {}
    for series in all_series:
        if series.clock_offset_ns is not None:
            low, high = series.clock_offset_ns
            known = offsets.setdefault(series.config.peer, [low, high])
            offsets[series.config.peer] = [max(known[0], low), min(known[1], high)]
    return offsets


def _statistics_ms(times_ns: list[int]) -> dict[str, float | int]:
    return {
        "min": min(times_ns) / 1e6,
        "median": median(times_ns) / 1e6,
        "max": max(times_ns) / 1e6,
        "samples": len(times_ns),
    }
