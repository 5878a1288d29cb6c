"""Sentences about the rate that the receiver's reads allow."""

from typing import Final

from testbed.analysis.findings.read_rate import RateOffPrediction, ReaderKeepsUp, ReaderSetsRate, ReadRate
from testbed.report.sentences.wording import Sentences
from testbed.units import format_bytes, format_rate, format_seconds, percent, pluralize

STARVED_SHARE: Final = 0.1
"""Short reads are reported from this share on."""


def reader_sets_rate(fact: ReaderSetsRate) -> str:
    """Return the rate of the reads, and whether the reader starved."""
    starved = ""
    if fact.short_share >= STARVED_SHARE:
        starved = (
            f" {_short(fact)}: after the queue had become empty, the slow reader starved until the sender had filled "
            "it again."
        )
    return (
        f"The receiver sets the rate: {_reads(fact)}, give {format_rate(fact.observed_bytes_per_s)}; "
        f"{format_rate(fact.predicted_bytes_per_s)} was predicted.{starved}"
    )


def reader_keeps_up(fact: ReaderKeepsUp) -> str:
    """Return the rate that the reads would allow, and the observed one."""
    short = f"; {_short(fact)}" if fact.short_share >= STARVED_SHARE else ""
    return (
        f"The receiver waits after each read, but this does not set the rate: {_reads(fact)} would give "
        f"{format_rate(fact.predicted_bytes_per_s)}, and {format_rate(fact.observed_bytes_per_s)} arrived{short}."
    )


def _reads(fact: ReadRate) -> str:
    return (
        f"{pluralize(fact.reads, 'read')}, one every {format_seconds(fact.period_s)}, of "
        f"{format_bytes(fact.requested_read_bytes)} at most"
    )


def _short(fact: ReadRate) -> str:
    return f"{percent(fact.short_share)} of the reads were short"


def rate_off_prediction(fact: RateOffPrediction) -> str:
    """Return how far the prediction is off."""
    return f"observed and predicted differ by {percent(fact.difference_share)}"


SENTENCES: Final[Sentences] = {
    ReaderSetsRate: reader_sets_rate,
    ReaderKeepsUp: reader_keeps_up,
    RateOffPrediction: rate_off_prediction,
}
