"""Parse values that may differ between the two ends: `VALUE` for both, or `client=VALUE,server=VALUE`.

A file may also contain `{client: VALUE, server: VALUE}`. All forms become one canonical text, so that command line,
file and result show the same; an end without a value keeps the kernel's default.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal

from netem.contract.limits import CONGESTION_NAME, RTO_MIN_MS, SYSCTL_KEY, Bounds
from testbed.scenario.messages import abbreviated
from testbed.units import parse_duration_us, parse_size_bytes

Role = Literal["client", "server"]
ROLES: Final[tuple[Role, Role]] = ("client", "server")

MAX_SYSCTLS: Final = 64
_NAMED: Final = re.compile(r"(?:^|,)(client|server)=")
_SWITCH: Final = {"on": "on", "true": "on", "1": "on", "off": "off", "false": "off", "0": "off"}

Parse = Callable[[str], str]


def split_ends(text: str) -> dict[Role, str]:
    """Return the value of each end that the text names; raises ValueError if it names an end twice."""
    marks = list(_NAMED.finditer(text))
    if not marks or marks[0].start() > 0:
        return dict.fromkeys(ROLES, text) if text else {}
    found: dict[Role, str] = {}
    stops = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, stop in zip(marks, stops, strict=True):
        role: Role = "client" if mark[1] == "client" else "server"
        if role in found:
            raise ValueError(f"{text!r} names the {role} twice")
        found[role] = text[mark.end() : stop]
    return found


def join_ends(values: Mapping[Role, str]) -> str:
    """Return the text that `split_ends` parses."""
    if values.keys() == set(ROLES) and values["client"] == values["server"]:
        return values["client"]
    return ",".join(f"{role}={values[role]}" for role in ROLES if role in values)


def canonical(given: object, parse: Parse) -> str:
    """Return the canonical text of a text or a mapping; `parse` checks one value. Raises ValueError."""
    values: dict[Role, str]
    if isinstance(given, Mapping):
        unknown = [key for key in given if key not in ROLES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is neither client nor server")
        values = {role: str(given[role]) for role in ROLES if role in given}
    else:
        if not isinstance(given, str | int | float):
            raise ValueError(f"one value, or a mapping of client and server, not {abbreviated(given)}")  # noqa: TRY004 - as below
        values = split_ends(str(given).strip())
    return join_ends({role: parse(value.strip()) for role, value in values.items()})


def congestion(text: str) -> str:
    """Check the name of a congestion control; setting it shows if the kernel has it."""
    if not CONGESTION_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a congestion control, such as cubic")
    return text


def integer(bounds: Bounds, unit: str) -> Parse:
    """Return a parser of integers in a range; sizes may have units."""

    def parse(text: str) -> str:
        value = parse_size_bytes(text)
        if not bounds.low <= value <= bounds.high:
            raise ValueError(f"{text!r} is not between {bounds.low} and {bounds.high} {unit}")
        return str(value)

    return parse


def milliseconds(text: str) -> str:
    """Check a duration in whole milliseconds, the unit of a route metric; return it as `300ms`."""
    time_us = parse_duration_us(text)
    if time_us % 1000 or not RTO_MIN_MS.low <= time_us // 1000 <= RTO_MIN_MS.high:
        raise ValueError(f"{text!r} is not a multiple of 1ms from {RTO_MIN_MS.low}ms to {RTO_MIN_MS.high // 1000}s")
    return f"{time_us // 1000}ms"


def switch(text: str) -> str:
    """Check `on` or `off`."""
    if text.lower() not in _SWITCH:
        raise ValueError(f"{text!r} is neither on nor off")
    return _SWITCH[text.lower()]


def _sysctl_value(text: str) -> str:
    value = " ".join(text.split())
    if not value or not value.isprintable():
        raise ValueError(f"{text!r} is not a valid sysctl value")
    return value


def sysctls(given: object) -> dict[str, str]:
    """Check sysctls: a mapping of keys to values, each of which may differ by end."""
    if not isinstance(given, Mapping):
        raise ValueError(f"a mapping of keys to values, not {abbreviated(given)}")  # noqa: TRY004 - a mistake in a file
    found: dict[str, str] = {}
    for key, value in given.items():
        if not SYSCTL_KEY.fullmatch(str(key)):
            raise ValueError(f"{key!r} is not the key of a network sysctl, such as net.ipv4.tcp_rmem")
        found[str(key)] = canonical(value, _sysctl_value) or _sysctl_value("")
    if len(found) > MAX_SYSCTLS:
        raise ValueError(f"{len(found)} sysctls exceed the limit of {MAX_SYSCTLS}")
    return found
