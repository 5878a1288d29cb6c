import pytest

from netem.spec import SpecError, parse
from netem.spec.resources import parse_table, parse_trace, table_names, trace_names


def test_names_of_files() -> None:
    impairment = parse("delay 5ms 1ms distribution mine slot distribution other 1ms 1ms trace cable")
    assert table_names(impairment) == ("mine", "other")
    assert trace_names(impairment) == ("cable",)
    assert table_names(parse("delay 5ms 1ms distribution normal")) == trace_names(parse("")) == ()


def test_a_table_is_numbers_and_comments() -> None:
    assert parse_table("# mine\n -32768 0\n\n 5 32767\n") == (-32768, 0, 5, 32767)


@pytest.mark.parametrize("text", ["", "# only\n", "1 x", "40000", "1.5", "1_0", "5 " * 16385])
def test_no_tables(text: str) -> None:
    with pytest.raises(SpecError):
        parse_table(text)


def test_a_trace_is_stamps() -> None:
    assert parse_trace("0\n5\n5\n9\n") == (0, 5, 5, 9)


@pytest.mark.parametrize("text", ["", "5\n4\n", "-1\n5\n", "0\n", "x", "9999999999999\n"])
def test_no_traces(text: str) -> None:
    with pytest.raises(SpecError):
        parse_trace(text)
