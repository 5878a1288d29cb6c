from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.contract.limits import Bounds
from testbed.scenario import ends
from testbed.scenario.ends import Role, canonical, join_ends, split_ends


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("cubic", {"client": "cubic", "server": "cubic"}),
        ("client=cubic", {"client": "cubic"}),
        ("server=bbr,client=cubic", {"client": "cubic", "server": "bbr"}),
        ("client=8080,9000,server=7", {"client": "8080,9000", "server": "7"}),
        ("8080,9000", {"client": "8080,9000", "server": "8080,9000"}),
    ],
)
def test_a_value_for_both_or_for_each(text: str, values: dict[Role, str]) -> None:
    assert split_ends(text) == values


VALUES = st.from_regex(r"[a-z0-9][a-z0-9 ,]{0,6}", fullmatch=True)


@given(st.dictionaries(st.sampled_from(["client", "server"]), VALUES))
def test_text_and_values_are_each_others_inverse(values: dict[Role, str]) -> None:
    assert split_ends(join_ends(values)) == values


def test_a_mapping_means_the_same_as_the_text() -> None:
    assert canonical({"server": "bbr", "client": "cubic"}, ends.congestion) == "client=cubic,server=bbr"
    assert canonical({"server": "bbr", "client": "bbr"}, ends.congestion) == "bbr"
    assert canonical({"server": 1400}, ends.integer(Bounds(68, 65_535), "bytes")) == "server=1400"
    assert canonical(1400, ends.integer(Bounds(68, 65_535), "bytes")) == "1400"


@pytest.mark.parametrize(
    ("given", "read", "message"),
    [
        ("client=a,client=b", ends.congestion, "names the client twice"),
        ({"sever": "a"}, ends.congestion, "'sever' is neither client nor server"),
        ("server=", ends.congestion, "'' is not the name"),
        ("Cubic", ends.congestion, "'Cubic' is not the name"),
        ("67", ends.integer(Bounds(68, 65_535), "bytes"), "not between 68 and 65535 bytes"),
        ("1kbit", ends.integer(Bounds(1, 9), "bytes"), "names bits"),
        ("1500us", ends.milliseconds, "not a multiple of 1ms"),
        ("0", ends.milliseconds, "not a multiple of 1ms"),
        ("200", ends.milliseconds, "has no unit"),
        ("maybe", ends.switch, "neither on nor off"),
    ],
)
def test_invalid_values(given: object, read: ends.Parse, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        canonical(given, read)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (ends.milliseconds, "0.3s", "300ms"),
        (ends.switch, "True", "on"),
        (ends.switch, "0", "off"),
        (ends.integer(Bounds(1, 10_000), "bytes"), "9k", "9216"),
    ],
)
def test_one_form_for_each_value(read: Callable[[str], str], text: str, value: str) -> None:
    assert read(text) == value


def test_sysctls_may_differ_by_end() -> None:
    given = {"net.ipv4.tcp_sack": 0, "net.ipv4.tcp_rmem": {"server": "4096\t8192  16384"}}
    assert ends.sysctls(given) == {"net.ipv4.tcp_sack": "0", "net.ipv4.tcp_rmem": "server=4096 8192 16384"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kernel.hostname": "x"}, "'kernel.hostname' is not the key of a network sysctl"),
        ({"net.ipv4.tcp_sack; rm": "x"}, "is not the key"),
        ({"net.ipv4.tcp_sack": ""}, "'' is not a valid sysctl value"),
        (["net.ipv4.tcp_sack=0"], "a mapping of keys to values"),
        ({f"net.a{number}": 1 for number in range(65)}, "65 sysctls exceed the limit of 64"),
    ],
)
def test_invalid_sysctls(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ends.sysctls(given)
