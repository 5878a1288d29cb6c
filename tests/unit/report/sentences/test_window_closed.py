from dataclasses import replace

from testbed.analysis.findings.window_closed import KernelCountsPeriods, LimitedForLess, WindowClosed
from testbed.analysis.packets.zero_window import ZeroWindowCause
from testbed.report.sentences.registry import words

FACT = WindowClosed(
    closed_s=1.495,
    periods=6,
    longest_s=0.3,
    longest_at_s=0.5,
    first_at_s=0.04,
    zero_window_frames=9,
    cause=ZeroWindowCause.FILLED,
    sending_s=1.501,
    closed_share=0.996,
)


def test_how_long_and_why() -> None:
    assert words(FACT) == (
        "The receive window was closed for 1.495 s of 1.501 s (100 %) in 6 periods, the longest 300 ms, the first "
        "40 ms after the start: its buffer had filled up, because its program read more slowly than data arrived."
    )
    assert words(replace(FACT, cause=ZeroWindowCause.SHRUNK)).endswith(
        "it shrank the window, because it was short of memory."
    )


def test_no_share_where_the_window_stayed_closed_after_the_sending() -> None:
    assert " of " not in words(replace(FACT, sending_s=0.5)).partition(",")[0]


def test_what_contradicts_it() -> None:
    assert words(KernelCountsPeriods(9)) == "the receiver's kernel counts 9 zero-window periods"
    assert words(LimitedForLess(0.015)).startswith("the sender's kernel counts only 15 ms in which the window")
