import pytest

from netem.spec.errors import SpecError
from netem.spec.quantity import parse_probability
from netem.spec.words import Words


def test_words_are_read_in_order() -> None:
    words = Words("  a b\t5% ")
    assert words.more()
    assert (words.peek(), words.next("x"), words.word, words.position) == ("a", "a", "a", 0)
    assert words.next("x") == "b"
    assert words.read("a percentage", parse_probability) == 0.05
    assert (words.more(), words.peek(), words.position) == (False, "", 2)
    with pytest.raises(SpecError, match='word 3 "5%": requires a keyword after it'):
        words.next("a keyword")


def test_an_optional_value_begins_with_a_digit() -> None:
    words = Words("-5 .5 x")
    assert words.optional("a number", int, 7) == 7
    assert words.optional("a number", int, 7, signed=True) == -5
    assert words.optional("a number", float, 7.0) == 7.0
    assert words.next("x") == ".5"


def test_a_wrong_value_has_its_position() -> None:
    with pytest.raises(SpecError) as caught:
        Words("101%").probability_and_correlation()
    assert caught.value.position == 0
