"""How busy the machine was, from files as the kernel writes them."""

from pathlib import Path

import pytest

from netem.observe.host import Reading, between, parse_pressure, parse_stat, parse_throttled, read

S = 10**9


def test_pressure_is_that_of_some_not_of_full() -> None:
    text = "some avg10=1.00 avg60=0.00 avg300=0.00 total=1966\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    assert parse_pressure(text) == 1966
    assert parse_pressure("") is None


def test_guest_ticks_do_not_count_twice() -> None:
    assert parse_stat("cpu  10 20 30 40 50 60 70 80 5 6\ncpu0 1 1 1 1 1 1 1 1\n") == (80, 360)
    assert parse_stat("intr 5\n") is None


@pytest.mark.parametrize(
    ("text", "throttled_ns"),
    [
        ("usage_usec 5\nnr_throttled 2\nthrottled_usec 1500\n", 1_500_000),
        ("nr_periods 0\nnr_throttled 0\nthrottled_time 1500\nwait_sum 9\n", 1500),
        ("usage_usec 5\n", None),
    ],
)
def test_throttling_under_both_versions_of_control_groups(text: str, throttled_ns: int | None) -> None:
    assert parse_throttled(text) == throttled_ns


def test_missing_files_leave_no_values(tmp_path: Path) -> None:
    nothing = read(5, pressure=tmp_path / "p", stat=tmp_path / "s", cpu_stat=(tmp_path / "c",))
    assert nothing == Reading(5, {}, None, None)
    assert between(nothing, read(9, pressure=tmp_path, stat=tmp_path / "s", cpu_stat=())) == {
        "from_ns": 5,
        "until_ns": 9,
    }


def test_files_become_a_reading(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("some avg10=0 avg60=0 avg300=0 total=12\n")
    (tmp_path / "stat").write_text("cpu 1 1 1 1 1 1 1 1 0 0\n")
    (tmp_path / "cpu.stat").write_text("throttled_usec 3\n")
    found = read(7, pressure=tmp_path, stat=tmp_path / "stat", cpu_stat=(tmp_path / "none", tmp_path / "cpu.stat"))
    assert found == Reading(7, {"cpu": 12}, (1, 8), 3000)


def test_shares_of_the_time_between() -> None:
    before = Reading(0, {"cpu": 100, "io": 0}, (10, 1000), 0)
    after = Reading(2 * S, {"cpu": 500_100, "io": 9_000_000}, (30, 1400), 250_000_000)
    assert between(before, after) == {
        "from_ns": 0,
        "until_ns": 2 * S,
        "cpu_pressure_share": 0.25,
        "io_pressure_share": 1.0,
        "steal_share": 0.05,
        "throttled_s": 0.25,
    }


def test_an_empty_period_does_not_divide_by_zero() -> None:
    same = Reading(5, {"cpu": 1}, (1, 1), 1)
    assert between(same, same)["cpu_pressure_share"] == between(same, same)["steal_share"] == 0.0
