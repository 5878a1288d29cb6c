import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.units import (
    MAX_DURATION_US,
    format_bytes,
    format_duration_us,
    format_figures,
    format_rate,
    format_seconds,
    parse_duration_us,
    parse_size_bytes,
    percent,
    pluralize,
    times,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("10k", 10240),
        ("10K", 10240),
        ("10Ki", 10240),
        ("10KiB", 10240),
        ("10kB", 10000),
        ("10KB", 10000),
        ("1.5k", 1536),
        ("1M", 1 << 20),
        ("1MB", 1_000_000),
        ("2 GiB", 2 << 30),
        (" 1k ", 1024),
    ],
)
def test_size(text: str, size_bytes: int) -> None:
    assert parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1Mb", "bits"),
        ("10kbit", "bits"),
        ("8b", "bits"),
        ("", "not a size"),
        ("-1", "not a size"),
        ("k", "not a size"),
        ("1e3", "not a size"),
        ("10x", "unknown unit"),
        ("10kiloB", "unknown unit"),
        ("0.3k", "whole number"),
        ("1_000", "not a size"),
    ],
)
def test_no_size(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_size_bytes(text)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("500us", 500),
        ("500µs", 500),
        ("250ms", 250_000),
        ("1s", 1_000_000),
        ("1.5s", 1_500_000),
        ("1m30s", 90_000_000),
        ("1h", 3_600_000_000),
    ],
)
def test_duration(text: str, microseconds: int) -> None:
    assert parse_duration_us(text) == microseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "no unit: write 1ms or 1s"),
        ("1.5", "no unit"),
        ("-1", "no unit"),
        ("-1s", "not a duration"),
        ("1s,2s", "not a duration"),
        ("1 s", "not a duration"),
        ("abc", "not a duration"),
        ("", "not a duration"),
        ("1d", "not a duration"),
        ("1.2.3s", "not a duration"),
        ("0.1us", "shorter than 1us"),
        ("2h", "longer than the maximum of 4294 s"),
    ],
)
def test_no_duration(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_duration_us(text)


@given(st.integers(0, MAX_DURATION_US))
def test_duration_reads_back(duration_us: int) -> None:
    assert parse_duration_us(format_duration_us(duration_us)) == duration_us


@given(st.integers(0, 1 << 40), st.sampled_from([("k", 1024), ("kB", 1000), ("MiB", 1 << 20), ("", 1)]))
def test_size_is_number_times_unit(number: int, unit: tuple[str, int]) -> None:
    assert parse_size_bytes(f"{number}{unit[0]}") == number * unit[1]


def test_formats() -> None:
    assert [pluralize(count, "node") for count in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]
    assert [pluralize(2, noun) for noun in ("flush", "retry", "loss")] == ["2 flushes", "2 retries", "2 losses"]
    assert format_bytes(255204) == "255 204 B"
    assert format_duration_us(20_000) == "20ms"
    assert [format_rate(rate) for rate in (12.0, 7825.0, 2.5e6, 3.2e9)] == [
        "12 B/s",
        "7.83 kB/s",
        "2.5 MB/s",
        "3.2 GB/s",
    ]
    assert [format_seconds(seconds) for seconds in (31.25, 0.0401, 0.000007)] == ["31.25 s", "40.1 ms", "7 µs"]


def test_no_number_has_an_exponent() -> None:
    assert [format_figures(value, 3) for value in (0.0, 2013.7, 0.000012345, 1.0)] == ["0", "2010", "0.0000123", "1"]
    assert (format_seconds(0.99996), format_seconds(12345.0), format_rate(999_960.0)) == (
        "1000 ms",
        "12340 s",
        "1000 kB/s",
    )


@pytest.mark.parametrize(
    ("share", "text"), [(0.984, "98 %"), (0.0, "0 %"), (0.034, "3 %"), (0.0952, "10 %"), (0.0004, "0.04 %")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("count", "text"), [(1, "once"), (2, "twice"), (0, "0 times"), (12, "12 times")])
def test_times(count: int, text: str) -> None:
    assert times(count) == text
