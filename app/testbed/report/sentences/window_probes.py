"""Sentences about probes of a closed window."""

from typing import Final

from testbed.analysis.findings.window_probes import KernelCountsProbes, NotAsExpected, WindowProbes
from testbed.report.sentences.wording import Sentences
from testbed.units import format_seconds, pluralize, times


def window_probes(fact: WindowProbes) -> str:
    """Return how often the window was probed, and how often backoff predicts."""
    lengths = "this length" if fact.periods == 1 else "these lengths"
    unanswered = ""
    if fact.unanswered_probes:
        were = "was" if fact.unanswered_probes == 1 else "were"
        unanswered = (
            f"; {fact.unanswered_probes} {were} not answered: the kernel sends at most one such ACK per 0.5 s "
            "(tcp_invalid_ratelimit)"
        )
    return (
        f"The sender probed the closed window {times(fact.probes)}; backoff from "
        f"{format_seconds(fact.first_rto_s)} predicts {fact.expected_probes} in {pluralize(fact.periods, 'period')} of "
        f"{lengths}{unanswered}. Wireshark calls these frames keep-alives."
    )


def not_as_expected(fact: NotAsExpected) -> str:
    """Return both numbers."""
    return f"{pluralize(fact.probes, 'probe')} observed, {fact.expected_probes} expected from backoff"


def kernel_counts_probes(fact: KernelCountsProbes) -> str:
    """Return the kernel's own count."""
    return f"the sender's kernel counts {pluralize(fact.kernel_probes, 'probe')}"


SENTENCES: Final[Sentences] = {
    WindowProbes: window_probes,
    NotAsExpected: not_as_expected,
    KernelCountsProbes: kernel_counts_probes,
}
