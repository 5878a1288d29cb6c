"""Parse and format sizes and durations: text with units to integers in one unit, and back.

Sizes follow coreutils: `k`, `K`, `Ki` and `KiB` are 1024 bytes, `kB` and `KB` are 1000; bits are rejected. Durations
follow Go and always have a unit, because tc(8) reads a bare number as microseconds and users mean seconds.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

import durationpy

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:us|µs|ms|s|m|h))+")
_POWERS: Final = {"k": 1, "m": 2, "g": 3, "t": 4}

MAX_DURATION_US: Final = (1 << 32) - 1
"""Largest duration: tc(8) has 32 bits for microseconds (71 minutes), and no experiment needs more."""


def _multiplier(unit: str) -> int | None:
    if unit in ("", "B"):
        return 1
    power = _POWERS.get(unit[0].lower())
    if power is None or unit[1:] not in ("", "i", "iB", "B"):
        return None
    return int((1000 if unit[1:] == "B" else 1024) ** power)


def parse_size_bytes(text: str) -> int:
    """Return the number of bytes that `text` names, such as `10k`, `10KiB`, `10kB` or `512`.

    Raises ValueError for anything else, for bits, and for a size that is not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write 512, 10k (10240 bytes) or 10kB (10000 bytes)")
    number, unit = match.groups()
    if unit.endswith("b") or "bit" in unit.lower():
        raise ValueError(f"{text!r} names bits: write bytes, such as 10k or 10kB")
    multiplier = _multiplier(unit)
    if multiplier is None:
        raise ValueError(f"{text!r} has an unknown unit {unit!r}: k, M, G, T (1024), kB, MB, GB, TB (1000)")
    size = Fraction(number) * multiplier
    if size.denominator != 1:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(size)


def parse_duration_us(text: str) -> int:
    """Return the microseconds that `text` names, such as `250ms`, `1s` or `1m30s`; `0` needs no unit.

    Raises ValueError for anything else, such as a number without a unit or a fraction of a microsecond.
    """
    text = text.strip()
    if text == "0":
        return 0
    if re.fullmatch(r"[+-]?[\d.]+", text):
        raise ValueError(f"{text!r} has no unit: write {text.lstrip('+-')}ms or {text.lstrip('+-')}s")
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a duration: write 500us, 250ms, 1s or 1m30s")
    duration = durationpy.from_str(text)
    microseconds = duration.days * 86_400_000_000 + duration.seconds * 1_000_000 + duration.microseconds
    if microseconds == 0 and re.search("[1-9]", text):
        raise ValueError(f"{text!r} is shorter than 1us, the resolution")
    if microseconds > MAX_DURATION_US:
        raise ValueError(f"{text!r} is longer than the maximum of {MAX_DURATION_US // 1_000_000} s")
    return microseconds


def format_duration_us(duration_us: int) -> str:
    """Return a duration as text that `parse_duration_us` parses: `1.5s`, `20ms`, `7us`, `0`."""
    for unit, size in (("s", 1_000_000), ("ms", 1000)):
        if duration_us >= size:
            return f"{duration_us / size:.6f}".rstrip("0").rstrip(".") + unit
    return f"{duration_us}us" if duration_us else "0"


def pluralize(count: int | None, noun: str) -> str:
    """Return a count with its noun in singular or plural: `1 node`, `2 nodes`, `0 retries`."""
    endings = ("s", "x", "sh", "ch")
    many = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith(endings) else "s")
    return f"{count} {noun if count == 1 else many}"


def format_bytes(count: int) -> str:
    """Return a number of bytes in groups of three digits with its unit: `255 204 B`."""
    return f"{count:,} B".replace(",", " ")


def format_size(count: int) -> str:
    """Return a number of bytes with a decimal prefix and three digits: `7.82 kB`."""
    return format_rate(count).removesuffix("/s")


def format_figures(value: float, figures: int) -> str:
    """Return a number rounded to a number of significant figures, without an exponent."""
    return f"{Decimal(f'{value:.{figures}g}'):f}"


def format_rate(rate_bytes_per_s: float) -> str:
    """Return a rate with a decimal prefix and three digits: `7.82 kB/s`."""
    for unit in ("B/s", "kB/s", "MB/s"):
        if rate_bytes_per_s < 1000:
            return f"{format_figures(rate_bytes_per_s, 3)} {unit}"
        rate_bytes_per_s /= 1000
    return f"{format_figures(rate_bytes_per_s, 3)} GB/s"


def format_seconds(seconds: float) -> str:
    """Return a measured time with a suitable unit: `31.2 s`, `40.1 ms`, `7 µs`."""
    if seconds >= 1:
        return f"{format_figures(seconds, 4)} s"
    if seconds >= 0.001:
        return f"{format_figures(seconds * 1e3, 3)} ms"
    return f"{format_figures(seconds * 1e6, 3)} µs"


def percent(share: float) -> str:
    """Return a share: `98 %`, `0.04 %`."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{format_figures(100 * share, 1)} %"


def times(count: int) -> str:
    """Return how often something happened: `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
