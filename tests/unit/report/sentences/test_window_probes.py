from dataclasses import replace

from testbed.analysis.findings.window_probes import KernelCountsProbes, NotAsExpected, WindowProbes
from testbed.report.sentences.registry import words

FACT = WindowProbes(6, 6, 0, 2, 0.226, 0.9, 6)


def test_how_often() -> None:
    assert words(FACT) == (
        "The sender probed the closed window 6 times; backoff from 226 ms predicts 6 in 2 periods of these "
        "lengths. Wireshark calls these frames keep-alives."
    )
    assert (
        "predicts 6 in 1 period of this length; 2 were not answered: the kernel sends at most one such ACK per 0.5 s"
        in words(replace(FACT, periods=1, unanswered_probes=2))
    )


def test_what_contradicts_it() -> None:
    assert words(NotAsExpected(9, 4)) == "9 probes observed, 4 expected from backoff"
    assert words(KernelCountsProbes(1)) == "the sender's kernel counts 1 probe"
