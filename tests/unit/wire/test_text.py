import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.wire import escape
from testbed.wire.text import visible


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Book by 0", "Book by 0"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\r\n\t\x7f", "\\x0d\\x0a\\x09\\x7f"),
        ("\x80\x9f\xa0", "\\x80\\x9f\xa0"),
        ('a"b\\', 'a\\"b\\\\'),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u061b\u061c\u061d", "\u061b\\u061c\u061d"),
        ("Zoë 書籍", "Zoë 書籍"),
    ],
)
def test_escape(text, printed):
    assert escape(text) == printed


@given(st.text())
def test_no_control_character_comes_out(text):
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in escape(text))


@given(st.text(), st.text())
def test_different_texts_stay_different(one, other):
    assert (escape(one) == escape(other)) == (one == other)


@given(st.text())
def test_a_message_keeps_its_quotes_and_line_ends(text):
    shown = visible(text)
    assert shown.count("\n") == text.count("\n")
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in shown if c != "\n")
    assert visible(shown) == shown


def test_a_message_whose_colours_are_not_its_own():
    assert visible('it said "\x1b[31m\\"\n\u061c\t.') == 'it said "\\x1b[31m\\"\n\\u061c\\x09.'
