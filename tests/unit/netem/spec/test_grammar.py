import pytest

from netem.spec.grammar import EXTENSION_KEYWORDS, NETEM_KEYWORDS, keyword


@pytest.mark.parametrize(
    ("word", "full"),
    [
        ("delay", "delay"),
        ("latency", "delay"),
        ("drop", "loss"),
        ("d", "delay"),
        ("di", "distribution"),
        ("l", "limit"),
        ("r", "reorder"),
        ("ra", "rate"),
        ("drop-list", "drop-list"),
        ("nd", "nd"),
    ],
)
def test_a_word_means_the_first_keyword_that_it_begins(word: str, full: str) -> None:
    assert keyword(word) == full


@pytest.mark.parametrize("word", ["", "delayy", "Delay", "drop-lis", "n", "black", "5"])
def test_no_keywords(word: str) -> None:
    assert keyword(word) is None


def test_no_word_of_ours_is_one_of_tc() -> None:
    assert not [ours for ours in EXTENSION_KEYWORDS for theirs in NETEM_KEYWORDS if theirs.startswith(ours)]
