import pytest

from netem.spec import parse
from testbed.scenario.profile import profile_changes, profile_of, read_profile

STEP = {"at": "1s", "step": {"from": "delay 5ms", "to": "delay 9ms", "every": "1s", "for": "2s"}}
PLAIN = {"at": "0s", "netem": "delay 1ms"}


def test_a_list_is_for_both_ends() -> None:
    profile = read_profile([PLAIN, STEP])
    assert profile_of(profile, "client") == profile_of(profile, "server") == [PLAIN, STEP]
    assert [each.delay and each.delay.delay_ns for each in profile_changes([PLAIN, STEP])] == [
        10**6,
        5 * 10**6,
        9 * 10**6,
    ]


def test_a_mapping_is_for_the_ends_it_names() -> None:
    profile = read_profile({"server": [PLAIN]})
    assert profile_of(profile, "client") == []
    assert profile_of(profile, "server") == [PLAIN]
    assert profile_changes(profile_of(profile, "server")) == (parse("delay 1ms"),)


def test_no_profile() -> None:
    assert read_profile(None) == read_profile([]) == []
    assert profile_changes([]) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("delay 5ms", "a profile is a list"),
        (["delay 5ms"], "a mapping with `at`"),
        ({"sever": [PLAIN]}, "'sever': use client or server"),
        ([{"at": "1", "netem": ""}], "0.at"),
        ([PLAIN, {"at": "1s", "netem": "delai 5ms"}], "1.netem"),
        ([PLAIN, PLAIN], "sort the entries by time"),
    ],
)
def test_an_error_has_its_position(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_profile(given)
