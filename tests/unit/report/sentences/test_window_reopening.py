from dataclasses import replace

from testbed.analysis.findings.window_reopening import WindowReopening
from testbed.report.sentences.registry import words

FACT = WindowReopening(2, 8688, 8688, 9000, 1448, 1448, 0, 2)


def test_by_how_much() -> None:
    assert words(FACT) == (
        "A closed window reopened twice, by 8 688 B to 9 000 B in one step, after 2 reads (median): at least one MSS "
        "(1 448 B), so silly windows were avoided (RFC 9293, 3.8.6.2)."
    )


def test_a_single_one() -> None:
    one = replace(FACT, reopenings=1, reopened_max_bytes=8688, reads_per_period_median=1)
    assert words(one).startswith("A closed window reopened once, by 8 688 B in one step, after 1 read: at least")


def test_small_windows() -> None:
    small = replace(FACT, reopened_min_bytes=800, reads_per_period_median=None)
    assert words(replace(small, silly_windows=1)).endswith("in one step: less than one MSS (1 448 B), a silly window.")
    assert words(replace(small, silly_below_bytes=700)).endswith("but half of the buffer, so not a silly window.")


def test_an_unknown_segment() -> None:
    unknown = replace(FACT, mss_bytes=None, silly_below_bytes=None, silly_windows=None)
    assert words(unknown).endswith("after 2 reads (median).")
