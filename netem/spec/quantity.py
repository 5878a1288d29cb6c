"""Numbers with the units of tc: text to integers and back, exactly.

tc parses a double and truncates it (`iproute2 lib/utils.c get_time64`, `lib/utils_math.c`). Here a value must be a
whole number of nanoseconds, bits per second or bytes, so that no value changes silently.
"""

import re
from decimal import Decimal

from netem.spec.errors import SpecError

_NUMBER = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_MAX_WORD_CHARACTERS = 40  # characters; no sensible number is longer
_MAX_MAGNITUDE = 20  # decimal digits before the point; 2^64 has 20
_MIN_DECIMAL_MAGNITUDE = -6  # 0.000001; smaller values are written with an exponent
_PERCENT = Decimal(100)

_TIME_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_TIME_SUFFIXES = {
    suffix: scale for unit, scale in _TIME_NS.items() for suffix in (unit, f"{unit[:-1]}sec", f"{unit[:-1]}secs")
}
_RATE_BPS = {"gbit": 10**9, "mbit": 10**6, "kbit": 10**3, "bit": 1}
_RATE_SUFFIXES = {
    **_RATE_BPS,
    "tbit": 10**12,
    "kibit": 2**10,
    "mibit": 2**20,
    "gibit": 2**30,
    "tibit": 2**40,
    "bps": 8,
    "kbps": 8 * 10**3,
    "mbps": 8 * 10**6,
    "gbps": 8 * 10**9,
    "tbps": 8 * 10**12,
    "kibps": 8 * 2**10,
    "mibps": 8 * 2**20,
    "gibps": 8 * 2**30,
    "tibps": 8 * 2**40,
}
_SIZE_SUFFIXES = {
    "b": 1,
    "k": 2**10,
    "kb": 2**10,
    "m": 2**20,
    "mb": 2**20,
    "g": 2**30,
    "gb": 2**30,
    "kbit": 2**7,
    "mbit": 2**17,
    "gbit": 2**27,
}


def _split(word: str, what: str) -> tuple[Decimal, str]:
    match = _NUMBER.match(word) if len(word) <= _MAX_WORD_CHARACTERS else None
    if match is None:
        raise SpecError(f"is not a {what}", word=word, hint="write a decimal number with its unit")
    value = Decimal(match.group())
    if value and value.adjusted() > _MAX_MAGNITUDE:
        raise SpecError(f"is too large for a {what}", word=word)
    return value, word[match.end() :]


def _scaled(word: str, suffixes: dict[str, int], bare: int, what: str, unit: str) -> int:
    value, suffix = _split(word, what)
    scale = suffixes.get(suffix.lower()) if suffix else bare
    if scale is None:
        raise SpecError(f"has an unknown unit of {what}", word=word, hint=f"use one of {', '.join(suffixes)}")
    scaled = value * scale
    if scaled != scaled.to_integral_value():
        raise SpecError(f"is not a whole number of {unit}", word=word, hint="write fewer decimals")
    return int(scaled)


def parse_time_ns(word: str, *, bare_ns: int | None) -> int:
    """Return a time in ns; `bare_ns` is the unit of a number without one, None if a unit is required."""
    if bare_ns is None and _NUMBER.fullmatch(word):
        raise SpecError("has no unit", word=word, hint=f"write {word}ms or another unit of time")
    return _scaled(word, _TIME_SUFFIXES, bare_ns or 1, "time", "nanoseconds")


def parse_rate_bps(word: str) -> int:
    """Return a rate in bit/s; a number without unit is bit/s, `kbps` is kilobytes per second as in tc."""
    if "%" in word:
        raise SpecError("must not be a percentage of the device speed", word=word, hint="write a rate such as 10mbit")
    return _scaled(word, _RATE_SUFFIXES, 1, "rate", "bits per second")


def parse_size(word: str) -> int:
    """Return a size in bytes (or packets, for `limit`); k, m, g are powers of 1024 as in tc."""
    return _scaled(word, _SIZE_SUFFIXES, 1, "size", "units")


def parse_probability(word: str) -> float:
    """Return a probability from 0 to 1; a number without unit is a percentage."""
    value, suffix = _split(word, "percentage")
    if suffix not in ("", "%"):
        raise SpecError("is not a percentage", word=word, hint="write a number with or without %")
    if value > _PERCENT:
        raise SpecError("is more than 100%", word=word)
    return float(value / _PERCENT)


def parse_integer(word: str, what: str) -> int:
    """Return a plain decimal integer."""
    if len(word) > _MAX_WORD_CHARACTERS or not _INTEGER.fullmatch(word):
        raise SpecError(f"is not a {what}", word=word, hint="write a decimal integer")
    return int(word)


def format_time(time_ns: int) -> str:
    """Return the time in the largest unit without decimals, so that tc's doubles represent it exactly."""
    for unit, scale in _TIME_NS.items():
        if time_ns and time_ns % scale == 0:
            return f"{time_ns // scale}{unit}"
    return "0ms"


def format_rate(rate_bps: int) -> str:
    """Return the rate in the largest unit without decimals."""
    unit, scale = next(item for item in _RATE_BPS.items() if rate_bps % item[1] == 0)
    return f"{rate_bps // scale}{unit}"


def format_probability(probability: float) -> str:
    """Return the shortest percentage that parses to the same number."""
    percent = (Decimal(repr(probability)) * _PERCENT).normalize()
    return f"{percent:f}%" if percent.adjusted() >= _MIN_DECIMAL_MAGNITUDE else f"{percent:E}%"


def complement(probability: float) -> float:
    """Return 1 - `probability` without the rounding of doubles."""
    return float(1 - Decimal(repr(probability)))


def fixed_point(probability: float) -> int:
    """Return the 32-bit number that tc passes to the kernel (`q_netem.c set_percent`)."""
    return round(probability * (2**32 - 1))
