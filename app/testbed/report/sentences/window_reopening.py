"""The sentence about closed windows that opened."""

from typing import Final

from testbed.analysis.findings.window_reopening import WindowReopening
from testbed.report.sentences.wording import Sentences
from testbed.units import format_bytes, pluralize, times


def window_reopening(fact: WindowReopening) -> str:
    """Return by how much the window opened, and whether that was silly."""
    least, most = fact.reopened_min_bytes, fact.reopened_max_bytes
    span = format_bytes(least) if least == most else f"{format_bytes(least)} to {format_bytes(most)}"
    reads = ""
    if fact.reads_per_period_median:
        median = " (median)" if fact.reopenings > 1 else ""
        reads = f", after {pluralize(fact.reads_per_period_median, 'read')}{median}"
    return f"A closed window reopened {times(fact.reopenings)}, by {span} in one step{reads}{_judged(fact)}."


def _judged(fact: WindowReopening) -> str:
    if fact.mss_bytes is None or fact.silly_below_bytes is None:
        return ""
    segment = format_bytes(fact.mss_bytes)
    if fact.silly_windows:
        return f": less than one MSS ({segment}), a silly window"
    if fact.reopened_min_bytes < fact.mss_bytes:
        return f": less than one MSS ({segment}), but half of the buffer, so not a silly window"
    return f": at least one MSS ({segment}), so silly windows were avoided (RFC 9293, 3.8.6.2)"


SENTENCES: Final[Sentences] = {WindowReopening: window_reopening}
