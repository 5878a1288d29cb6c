from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.spec import SpecError, parse
from netem.spec.grammar import EXTENSION_KEYWORDS, NETEM_KEYWORDS
from netem.spec.model import (
    Corrupt,
    Delay,
    Duplicate,
    GilbertElliottLoss,
    Impairment,
    RandomLoss,
    Rate,
    Reorder,
    Slot,
    StateLoss,
)
from netem.spec.parse import MAX_TEXT_CHARACTERS, READERS

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "netem" / "grammar.tsv"
ROWS = [line.split("\t") for line in VECTORS.read_text().splitlines() if not line.startswith("#")]
MS = 10**6


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # the examples of tc-netem(8)
        ("delay 100ms", Impairment(delay=Delay(100 * MS))),
        ("delay 100ms 10ms 25%", Impairment(delay=Delay(100 * MS, 10 * MS, 0.25))),
        ("delay 100ms 20ms distribution normal", Impairment(delay=Delay(100 * MS, 20 * MS, 0.0, "normal"))),
        ("loss 0.1%", Impairment(loss=RandomLoss(0.001))),
        ("loss 0.3% 25%", Impairment(loss=RandomLoss(0.003, 0.25))),
        ("duplicate 1%", Impairment(duplicate=Duplicate(0.01))),
        ("delay 10ms reorder 25% 50%", Impairment(delay=Delay(10 * MS), reorder=Reorder(0.25, 0.5))),
        ("delay 100ms 75ms", Impairment(delay=Delay(100 * MS, 75 * MS))),
        ("rate 5kbit 20 100 5", Impairment(rate=Rate(5000, 20, 100, 5))),
        # the rest of its synopsis
        ("", Impairment()),
        ("limit 1k", Impairment(limit_packets=1024)),
        ("loss state 1%", Impairment(loss=StateLoss(0.01, 0.99))),
        ("loss state 1% 25% 5% 90% 0.1%", Impairment(loss=StateLoss(0.01, 0.25, 0.05, 0.9, 0.001))),
        ("loss gemodel 1%", Impairment(loss=GilbertElliottLoss(0.01, 0.99))),
        ("loss gemodel 1% 25% 70% 0.1% ecn", Impairment(loss=GilbertElliottLoss(0.01, 0.25, 0.7, 0.001), ecn=True)),
        ("corrupt 1 2", Impairment(corrupt=Corrupt(0.01, 0.02))),
        ("delay 1ms gap 5 reorder 100%", Impairment(delay=Delay(MS), reorder=Reorder(1.0, 0.0, 5))),
        ("slot 800us 1ms packets 5 bytes 2k", Impairment(slot=Slot(800_000, MS, max_packets=5, max_bytes=2048))),
        (
            "slot distribution pareto 10ms 1ms",
            Impairment(slot=Slot(distribution="pareto", delay_ns=10 * MS, jitter_ns=MS)),
        ),
        ("seed 18446744073709551615", Impairment(seed=2**64 - 1)),
        # units: bare numbers are microseconds for a delay, nanoseconds for a slot, bit/s, percent
        ("delay 100", Impairment(delay=Delay(100_000))),
        ("slot 100", Impairment(slot=Slot(100, 100))),
        ("rate 1000", Impairment(rate=Rate(1000))),
        ("loss 1", Impairment(loss=RandomLoss(0.01))),
    ],
)
def test_a_text_means(text: str, expected: Impairment) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2])
def test_the_shared_table_of_texts(row: list[str]) -> None:
    tc, ours, text, *reason = row
    assert (tc == ours) == (not reason), "a difference needs its reason, and only a difference"
    if ours == "yes":
        parse(text)
        return
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert caught.value.reason


@pytest.mark.parametrize(
    ("text", "token", "position", "part"),
    [
        ("delay 10ms foo 3", "foo", 2, "not a keyword"),
        ("delay", "delay", 0, "requires a time"),
        ("delay 10m", "10m", 1, "unit of time"),
        ("loss 1% delay 10ms gap 5", "gap", 4, "reorder"),
        ("rate 1mbit ecn", "ecn", 2, "loss model"),
        ("delay 10ms distribution normal", "distribution", 2, "jitter"),
        ("reorder 5%", "reorder", 0, "delay"),
        ("rate 1mbit trace cable", "trace", 2, "rate"),
        ("delay 1ms 2ms delay 2ms", "delay", 3, "repeated"),
        ("delay 10ms 3s", "delay", 0, r"3s is outside 0ms\.\.2147483647ns"),
        ("delay 10ms 2147483648ns", "delay", 0, r"2147483648ns is outside 0ms\.\.2147483647ns"),
        ("delay 1ms slot 1ms packets -5", "slot", 2, "-5 packets is outside"),
        ("drop-list 1,", "1,", 1, "packet number"),
        ("rate 7", "rate", 0, r"7bit is outside 8bit\.\."),
        ("delay 1ms loss 1e-9%", "loss", 2, "become 0"),
        ("slot 2ms 1ms", "slot", 0, "MAX is less than MIN"),
    ],
)
def test_an_error_names_word_and_reason(text: str, token: str, position: int, part: str) -> None:
    with pytest.raises(SpecError, match=part) as caught:
        parse(text)
    assert (caught.value.token, caught.value.position) == (token, position)


def test_every_keyword_has_a_reader() -> None:
    assert set(READERS) | {"latency", "drop"} == set(NETEM_KEYWORDS)
    assert len(set(EXTENSION_KEYWORDS)) == len(EXTENSION_KEYWORDS)


def test_a_text_of_any_length_is_bounded() -> None:
    with pytest.raises(SpecError, match="characters"):
        parse("x" * (MAX_TEXT_CHARACTERS + 1))


WORDS = st.sampled_from(
    [*NETEM_KEYWORDS, *EXTENSION_KEYWORDS, "10ms", "5%", "1", "-3", "random", "state", "normal", "2,3"]
)


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join)))
def test_garbage_raises_only_the_one_error(text: str) -> None:
    try:
        parse(text)
    except SpecError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
