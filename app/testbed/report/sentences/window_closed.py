"""Sentences about a receive window that was closed."""

from typing import Final

from testbed.analysis.findings.window_closed import KernelCountsPeriods, LimitedForLess, WindowClosed
from testbed.analysis.packets.zero_window import ZeroWindowCause
from testbed.report.sentences.wording import Sentences
from testbed.units import format_seconds, percent, pluralize

CAUSES: Final = {
    ZeroWindowCause.FILLED: "its buffer had filled up, because its program read more slowly than data arrived",
    ZeroWindowCause.SHRUNK: "it shrank the window, because it was short of memory",
    ZeroWindowCause.ADVANCED: "the sender had sent more than was offered",
    ZeroWindowCause.UNKNOWN: "the capture does not show the cause",
}


def window_closed(fact: WindowClosed) -> str:
    """Return how long the window was closed, and why."""
    of = ""
    # The window may stay closed after everything has been acknowledged.
    if fact.sending_s is not None and fact.closed_share is not None and fact.closed_s <= fact.sending_s:
        of = f" of {format_seconds(fact.sending_s)} ({percent(fact.closed_share)})"
    periods = pluralize(fact.periods, "period")
    return (
        f"The receive window was closed for {format_seconds(fact.closed_s)}{of} in {periods}, "
        f"the longest {format_seconds(fact.longest_s)}, the first {format_seconds(fact.first_at_s)} after the start: "
        f"{CAUSES[fact.cause]}."
    )


def kernel_counts_periods(fact: KernelCountsPeriods) -> str:
    """Return the kernel's own count."""
    return f"the receiver's kernel counts {pluralize(fact.kernel_periods, 'zero-window period')}"


def limited_for_less(fact: LimitedForLess) -> str:
    """Return the time that the sender's kernel counts."""
    return (
        f"the sender's kernel counts only {format_seconds(fact.rwnd_limited_s)} in which the window kept it from "
        "sending: for the rest it had nothing to send"
    )


SENTENCES: Final[Sentences] = {
    WindowClosed: window_closed,
    KernelCountsPeriods: kernel_counts_periods,
    LimitedForLess: limited_for_less,
}
