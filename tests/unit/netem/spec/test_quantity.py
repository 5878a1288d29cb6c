import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.spec.errors import SpecError
from netem.spec.quantity import (
    complement,
    fixed_point,
    format_probability,
    format_rate,
    format_time,
    parse_integer,
    parse_probability,
    parse_rate_bps,
    parse_size,
    parse_time_ns,
)


@pytest.mark.parametrize(
    ("word", "time_ns"),
    [("1s", 10**9), ("1.5secs", 1_500_000_000), ("2MSEC", 2_000_000), ("3usecs", 3000), ("7nsec", 7), ("1e3us", 10**6)],
)
def test_times(word: str, time_ns: int) -> None:
    assert parse_time_ns(word, bare_ns=None) == time_ns


@pytest.mark.parametrize("word", ["", "5", "5m", "-5ms", "0x5ms", "nan", "inf", "1e9999999s", "0.5ns", "5 ms", "٣ms"])
def test_no_times(word: str) -> None:
    with pytest.raises(SpecError):
        parse_time_ns(word, bare_ns=None)


@pytest.mark.parametrize(
    ("word", "rate_bps"),
    [("8", 8), ("5kbit", 5000), ("1.5Mbit", 1_500_000), ("1Kibit", 1024), ("1kbps", 8000), ("1MiBps", 8 * 2**20)],
)
def test_rates(word: str, rate_bps: int) -> None:
    assert parse_rate_bps(word) == rate_bps


@pytest.mark.parametrize("word", ["10%", "x", "1.5bit", "-1"])
def test_no_rates(word: str) -> None:
    with pytest.raises(SpecError):
        parse_rate_bps(word)


@pytest.mark.parametrize(("word", "size"), [("5", 5), ("5b", 5), ("1k", 1024), ("1MB", 2**20), ("1kbit", 128)])
def test_sizes(word: str, size: int) -> None:
    assert parse_size(word) == size


@pytest.mark.parametrize(("word", "probability"), [("1%", 0.01), ("7", 0.07), ("100%", 1.0), ("0.1", 0.001)])
def test_probabilities(word: str, probability: float) -> None:
    assert parse_probability(word) == probability


@pytest.mark.parametrize("word", ["101%", "-1%", "x", "1%%", "1ms"])
def test_no_probabilities(word: str) -> None:
    with pytest.raises(SpecError):
        parse_probability(word)


@pytest.mark.parametrize("word", ["1.0", "0x5", "010", "", "--1", "9" * 50])
def test_no_integers(word: str) -> None:
    with pytest.raises(SpecError):
        parse_integer(word, "number")


def test_integers() -> None:
    assert [parse_integer(word, "number") for word in ("0", "-5", "77")] == [0, -5, 77]


@given(st.integers(0, 2**63 - 1))
def test_times_survive_their_text(time_ns: int) -> None:
    assert parse_time_ns(format_time(time_ns), bare_ns=None) == time_ns


@given(st.integers(1, 2**63 - 1))
def test_rates_survive_their_text(rate_bps: int) -> None:
    assert parse_rate_bps(format_rate(rate_bps)) == rate_bps


@given(st.floats(0, 1))
def test_probabilities_survive_their_text(probability: float) -> None:
    assert parse_probability(format_probability(probability)) == probability


def test_texts_are_the_shortest() -> None:
    assert [format_time(t) for t in (0, 100, 1500_000, 10**9)] == ["0ms", "100ns", "1500us", "1s"]
    assert [format_probability(p) for p in (0.07, 0.001, 1.0, 0.0, 1e-10)] == ["7%", "0.1%", "100%", "0%", "1E-8%"]


def test_the_complement_has_no_rounding_of_its_own() -> None:
    assert complement(0.1) == 0.9
    assert 1 - 0.9 != complement(0.9) == 0.1


def test_fixed_point_is_what_tc_sends() -> None:
    # captured from netlink: `tc qdisc add dev lo root netem duplicate 1%` sends 0x028f5c29
    assert fixed_point(0.01) == 0x028F5C29
    assert (fixed_point(0.0), fixed_point(1.0)) == (0, 2**32 - 1)
