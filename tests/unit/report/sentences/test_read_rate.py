from dataclasses import asdict, replace

from testbed.analysis.findings.read_rate import RateOffPrediction, ReaderKeepsUp, ReaderSetsRate
from testbed.report.sentences.registry import words

FACT = ReaderSetsRate(
    reads=41,
    read_median_bytes=8192,
    requested_read_bytes=8192,
    period_s=0.0202,
    observed_bytes_per_s=320_000.0,
    predicted_bytes_per_s=358_000.0,
    short_share=0.05,
)
READS = "41 reads, one every 20.2 ms, of 8 192 B at most"


def test_a_reader_that_sets_the_rate() -> None:
    assert words(FACT) == f"The receiver sets the rate: {READS}, give 320 kB/s; 358 kB/s was predicted."
    assert words(replace(FACT, short_share=0.49)).endswith(
        "358 kB/s was predicted. 49 % of the reads were short: after the queue had become empty, the slow "
        "reader starved until the sender had filled it again."
    )


def test_a_reader_that_keeps_up() -> None:
    fact = ReaderKeepsUp(**asdict(FACT))
    assert words(fact) == (
        f"The receiver waits after each read, but this does not set the rate: {READS} would give 358 kB/s, and 320 "
        "kB/s arrived."
    )
    assert words(replace(fact, short_share=0.2)).endswith(" arrived; 20 % of the reads were short.")


def test_a_contradiction() -> None:
    assert words(RateOffPrediction(0.204)) == "observed and predicted differ by 20 %"
