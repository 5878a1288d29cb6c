"""Window reopening: how far a closed window opened at once, and whether a silly one was avoided (RFC 9293, 3.8.6)."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import not_applicable, unobservable
from testbed.analysis.findings.rule import NO_WINDOW, Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.zero_window import ZeroWindowEnd, ZeroWindowPeriod
from testbed.units import format_bytes, pluralize, times

NAME: Final = "window-reopening"


def measure(observation: Observation) -> Answer:
    """Speak when a closed window opened again with a known size."""
    end = observation.window_end
    if end is None or end.connection is None:
        return unobservable(NO_WINDOW)
    opened = [c for c in observation.zero_window_periods if c.end is ZeroWindowEnd.REOPENED and c.reopened_bytes > 0]
    if not opened:
        return not_applicable(
            "no closed window opened again" if observation.zero_window_periods else "the receive window never closed",
        )
    sizes = [closure.reopened_bytes for closure in opened]
    mss = observation.mss_bytes
    # A receiver may offer less than a segment where that is half of its buffer (RFC 9293, 3.8.6.2.2).
    least = None if mss is None else min(mss, _greatest_window_bytes(observation) // 2)
    numbers: dict[str, float | int | str] = {
        "reopenings": len(opened),
        "reopened_min_bytes": min(sizes),
        "reopened_median_bytes": int(np.median(sizes)),
        "reopened_max_bytes": max(sizes),
    }
    if mss is not None:
        numbers |= {"mss_bytes": mss, "silly_windows": sum(size < (least or 0) for size in sizes)}
    reads = _reads_per_closure(observation, opened)
    if reads is not None:
        numbers["reads_per_closure_median"] = reads
    marked = end.connection.frames
    chosen = np.isin(marked.number, [closure.last_frame for closure in opened])
    return untyped(
        sentence=_sentence(sizes, mss, least, reads),
        numbers=numbers,
        evidence=frames(end, chosen, "the window opens again", "tcp.analysis.window_update"),
        not_observed=[] if reads is not None else ["how many reads it took: no log of the receiver"],
        strength=0.6 if least is not None and min(sizes) < least else 0.3,
    )


def _sentence(sizes: list[int], mss: int | None, least: int | None, reads: int | None) -> str:
    span = (
        format_bytes(min(sizes))
        if min(sizes) == max(sizes)
        else f"{format_bytes(min(sizes))} to {format_bytes(max(sizes))}"
    )
    sentence = f"A closed window opened again {times(len(sizes))}, by {span} at once"
    if reads:
        sentence += f", after {pluralize(reads, 'read')}{' (median)' if len(sizes) > 1 else ''}"
    if mss is None or least is None:
        return sentence + "."
    if least <= min(sizes) < mss:
        return sentence + f": less than a segment ({format_bytes(mss)}), but half of the buffer, so no silly window."
    if min(sizes) < mss:
        return sentence + f": less than a segment ({format_bytes(mss)}), a silly window."
    return (
        sentence
        + f": never less than a segment ({format_bytes(mss)}), so silly windows were avoided. The kernel waits "
        "until whole buffers are free, not single bytes."
    )


def _greatest_window_bytes(observation: Observation) -> int:
    end = observation.window_end
    assert end is not None
    assert end.connection is not None
    marked = end.connection.frames
    return int(marked.window_bytes[~observation.from_sender(marked)].max(initial=0))


def _reads_per_closure(observation: Observation, closures: list[ZeroWindowPeriod]) -> int | None:
    reads = observation.receiver.calls("read")
    if reads is None:
        return None
    bounds = np.array([(c.start_ns, c.end_ns) for c in closures], np.int64) - observation.realtime_offset_ns
    # The read that opens the window sends the update before it returns, so it is counted by its start.
    counts = np.searchsorted(reads.start_ns, bounds[:, 1], side="right") - np.searchsorted(
        reads.start_ns, bounds[:, 0], side="right"
    )
    return int(np.median(counts))


RULE: Final = Rule(
    NAME,
    "By how much did a closed window open again, and after how many reads?",
    "first window after each closure, MSS, the log of reads",
    (Untyped,),
    measure,
)
