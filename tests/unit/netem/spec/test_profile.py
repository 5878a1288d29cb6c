import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.spec import Impairment, SpecError, parse
from netem.spec.profile import MAX_CHANGES, Change, Profile, interpolate, parse_profile

S, MS = 10**9, 10**6


def delays_ms(profile: Profile) -> list[tuple[float, float]]:
    return [(c.at_ns / MS, c.impairment.delay.delay_ns / MS) for c in profile.changes if c.impairment.delay]


def test_a_list_is_its_own_schedule() -> None:
    profile = parse_profile([{"at": "0s", "netem": "delay 10ms"}, {"at": "2s", "netem": ""}])
    assert profile.changes == (Change(0, parse("delay 10ms")), Change(2 * S, Impairment()))


def test_step_alternates() -> None:
    step = {"from": "delay 1ms", "to": "loss 5%", "every": "1s", "for": "3s"}
    changes = parse_profile([{"at": "1s", "step": step}]).changes
    assert [(c.at_ns // S, c.impairment) for c in changes] == [
        (1, parse("delay 1ms")),
        (2, parse("loss 5%")),
        (3, parse("delay 1ms")),
    ]


def test_ramp_ends_at_its_end() -> None:
    ramp = {"from": "delay 10ms", "to": "delay 20ms", "for": "100ms", "every": "50ms"}
    assert delays_ms(parse_profile([{"at": "0s", "ramp": ramp}])) == [(0, 10), (50, 15), (100, 20)]


def test_sine_begins_half_way() -> None:
    sine = {"from": "delay 10ms", "to": "delay 30ms", "period": "4s", "every": "1s", "for": "4s"}
    profile = parse_profile([{"at": "0s", "sine": sine}])
    assert delays_ms(profile) == [(0, 20), (1000, 30), (2000, 20), (3000, 10)]


def test_interpolation_covers_every_number() -> None:
    start = parse("delay 10ms 2ms 10% distribution normal loss gemodel 1% 25% rate 1mbit limit 10")
    end = parse("delay 20ms 4ms 20% distribution normal loss gemodel 3% 75% rate 3mbit limit 20")
    middle = parse("delay 15ms 3ms 15% distribution normal loss gemodel 2% 50% rate 2mbit limit 15")
    assert interpolate(start, end, 0.5).delay == middle.delay
    assert interpolate(start, end, 0.5).rate == middle.rate
    assert interpolate(start, end, 0.5).limit_packets == 15
    assert interpolate(start, end, 0.0) == start


@given(st.integers(8, 10**10), st.integers(8, 10**10), st.floats(0, 1))
def test_an_interpolated_rate_is_one_that_the_kernel_supports(low: int, high: int, share: float) -> None:
    rate = interpolate(parse(f"rate {low * 8}"), parse(f"rate {high * 8}"), share).rate
    assert rate
    assert rate.rate_bps % 8 == 0


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ([], "0 changes"),
        (["delay 5ms"], "mapping"),
        ([{"netem": "delay 5ms"}], "0.at"),
        ([{"at": 5, "netem": "delay 5ms"}], "0.at"),
        ([{"at": "5", "netem": "delay 5ms"}], "no unit"),
        ([{"at": "5s"}], "one of netem"),
        ([{"at": "5s", "netem": "", "step": {}}], "one of netem"),
        ([{"at": "5s", "netem": "delay x"}], "0.netem"),
        ([{"at": "5s", "netem": "", "for": "1s"}], "0.for"),
        ([{"at": "5s", "netem": ""}, {"at": "5s", "netem": ""}], "after one"),
        (
            [{"at": "0s", "ramp": {"from": "delay 1ms", "to": "loss 1%", "for": "1s", "every": "1s"}}],
            "from and to differ in delay by",
        ),
        ([{"at": "0s", "ramp": {"from": "nd", "to": "", "for": "1s", "every": "1s"}}], "differ in nd by"),
        ([{"at": "0s", "ramp": {"from": "", "to": "", "for": "1s", "every": "1us"}}], "too short"),
        ([{"at": "0s", "ramp": {"from": "", "to": "", "for": "1000s", "every": "1ms"}}], "at most"),
        ([{"at": "0s", "sine": {"from": "", "to": "", "for": "1s", "every": "1s"}}], "period"),
        ([{"at": "0s", "step": {"from": "", "to": "", "for": "9s", "every": "1s"}}, {"at": "5s", "netem": ""}], "at"),
    ],
)
def test_an_error_names_the_field(entries: list[object], part: str) -> None:
    with pytest.raises(SpecError, match=part):
        parse_profile(entries)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
def test_entries_are_read_back_as_the_same_profile(times: list[int]) -> None:
    profile = Profile(tuple(Change(at, parse(f"delay {at + 1}ns")) for at in sorted(times)))
    assert parse_profile(profile.as_entries()) == profile


def test_changes_are_bounded() -> None:
    with pytest.raises(SpecError, match="changes"):
        Profile(tuple(Change(at, Impairment()) for at in range(MAX_CHANGES + 1)))
