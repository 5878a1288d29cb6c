import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.schedule.span import Span, largest, smallest, total

FIGURES = st.floats(0, 1e6)
SPANS = st.lists(FIGURES, min_size=3, max_size=3).map(lambda values: Span(*sorted(values)))


def ordered(span: Span) -> bool:
    return span.low <= span.likely <= span.high


@given(SPANS, SPANS, FIGURES)
def test_every_result_is_in_order(one: Span, two: Span, factor: float) -> None:
    for made in (one + two, one * factor, one.times(two), one.at_most(factor), largest(one, two), smallest(one, two)):
        assert ordered(made)


def test_figures() -> None:
    one, two = Span(1, 2, 3), Span(2, 2, 2)
    assert total([one, two, two]) == Span(5, 6, 7)
    assert total([]) == largest() == Span()
    assert largest(one, two) == Span(2, 2, 3)
    assert smallest(one, two) == Span(1, 2, 2)
    assert one.times(two) == one * 2 == Span(2, 4, 6)
    assert one.at_most(2.5) == Span(1, 2, 2.5)
    assert Span.exactly(3) == Span(3, 3, pytest.approx(3))
