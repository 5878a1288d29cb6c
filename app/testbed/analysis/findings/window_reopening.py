"""Window reopening: by how much a closed window opened, and whether a silly window was avoided (RFC 9293, 3.8.6.2)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import NO_WINDOW, Answer, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.zero_window import ZeroWindowEnd, ZeroWindowPeriod


@dataclass(frozen=True, slots=True)
class WindowReopening(Fact):
    """By how much closed windows opened.

    A window under `silly_below_bytes` is silly: less than a segment, and less than half of the receiver's buffer (RFC
    9293, 3.8.6.2.2); `silly_windows` counts them. Both are null when the size of a segment is not known.
    """

    reopenings: int
    reopened_min_bytes: int
    reopened_median_bytes: int
    reopened_max_bytes: int
    mss_bytes: int | None
    silly_below_bytes: int | None
    silly_windows: int | None
    reads_per_period_median: int | None


def measure(observation: Observation) -> Answer:
    """Measure by how much closed windows opened, where their size is known."""
    end = observation.window_end
    if end is None or end.connection is None:
        return unobservable(NO_WINDOW)
    periods = observation.zero_window_periods
    opened = [period for period in periods if period.end is ZeroWindowEnd.REOPENED and period.reopened_bytes > 0]
    if not opened:
        return not_applicable("no closed window reopened" if periods else "the receive window never closed")
    sizes = [period.reopened_bytes for period in opened]
    mss = observation.mss_bytes
    least = None if mss is None else min(mss, _largest_window_bytes(observation) // 2)
    fact = WindowReopening(
        reopenings=len(opened),
        reopened_min_bytes=min(sizes),
        reopened_median_bytes=int(np.median(sizes)),
        reopened_max_bytes=max(sizes),
        mss_bytes=mss,
        silly_below_bytes=least,
        silly_windows=None if least is None else sum(size < least for size in sizes),
        reads_per_period_median=_reads_per_period(observation, opened),
    )
    marked = end.connection.frames
    chosen = np.isin(marked.number, [period.last_frame for period in opened])
    return Measured(
        fact,
        evidence=frames(end, chosen, "the window reopens", "tcp.analysis.window_update"),
        not_observed=["how many reads it took: no log of the receiver"] if fact.reads_per_period_median is None else [],
        strength=0.6 if fact.silly_windows else 0.3,
    )


def _largest_window_bytes(observation: Observation) -> int:
    end = observation.window_end
    assert end is not None
    assert end.connection is not None
    marked = end.connection.frames
    return int(marked.window_bytes[~observation.from_sender(marked)].max(initial=0))


def _reads_per_period(observation: Observation, periods: list[ZeroWindowPeriod]) -> int | None:
    reads = observation.receiver.calls("read")
    if reads is None:
        return None
    bounds = np.array([(p.start_ns, p.end_ns) for p in periods], np.int64) - observation.realtime_offset_ns
    # The read that opens the window sends the update before it returns, so it is counted by its start.
    counts = np.searchsorted(reads.start_ns, bounds[:, 1], side="right") - np.searchsorted(
        reads.start_ns, bounds[:, 0], side="right"
    )
    return int(np.median(counts))


RULE: Final = Rule(
    "window-reopening",
    "By how much did a closed window open, and after how many reads?",
    "first window after each zero-window period, MSS, the log of reads",
    (WindowReopening,),
    measure,
)
