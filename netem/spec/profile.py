"""A link that changes over time: parse a list of entries to a schedule of (time, impairment).

An entry is a mapping with `at` and one shape:

    {"at": "2s", "netem": "delay 50ms"}                                              from then on
    {"at": "2s", "step": {"from": TEXT, "to": TEXT, "every": "5s", "for": "60s"}}    alternating, starting with `from`
    {"at": "2s", "ramp": {"from": TEXT, "to": TEXT, "for": "10s", "every": "100ms"}}    in equal steps, ending at `to`
    {"at": "2s", "sine": {"from": TEXT, "to": TEXT, "period": "10s", "for": "60s", "every": "100ms"}}

A sine starts half-way and rises towards `to`. All numbers of the two texts are interpolated, so they must have the same
parts. A trace of delivery opportunities is part of the text: `delay 20ms trace NAME`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from math import pi, sin
from typing import Any, TypeVar

from netem.spec.errors import SpecError
from netem.spec.format import format_impairment
from netem.spec.model import Impairment
from netem.spec.parse import parse
from netem.spec.quantity import format_time, parse_time_ns

MAX_CHANGES = 100_000  # an hour of changes every 36 ms
_DECIMALS = 9  # of a probability; the smallest one is 2.4e-10
MIN_EVERY_NS = 10**6  # 1 ms; a faster change is a jitter

_WORDS = {"limit_packets": "limit", "blackholes": "blackhole", "true_correlation": "correlation", "impair_nd": "nd"}
"""The fields of the model whose names differ from their keywords."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """From `at_ns` after the start of the profile, the link has `impairment`."""

    at_ns: int
    impairment: Impairment


@dataclass(frozen=True, slots=True)
class Profile:
    """A schedule: changes in ascending order of time."""

    changes: tuple[Change, ...]

    def __post_init__(self) -> None:
        if not self.changes or len(self.changes) > MAX_CHANGES:
            raise SpecError(f"the profile has {len(self.changes)} changes", hint=f"use 1 to {MAX_CHANGES}")
        for early, late in pairwise(self.changes):
            if late.at_ns <= early.at_ns:
                raise SpecError(
                    f"a change at {format_time(late.at_ns)} after one at {format_time(early.at_ns)}",
                    word="at",
                    hint="sort the entries by time, without overlaps",
                )

    def as_entries(self) -> list[dict[str, str]]:
        """Return the schedule as entries of the form {at, netem}, which `parse_profile` reads back as the same."""
        return [{"at": format_time(c.at_ns), "netem": format_impairment(c.impairment)} for c in self.changes]


def interpolate(start: T, end: T, share: float, part: str = "the link") -> T:
    """Interpolate between two impairments with the same parts: share 0 is `start`, 1 is `end`.

    Raises SpecError, which names the `part`, if they differ in more than numbers.
    """
    if start == end:
        return start
    if is_dataclass(start) and not isinstance(start, type) and type(start) is type(end):
        names = [field.name for field in fields(start)]
        interpolated = {name: interpolate(getattr(start, name), getattr(end, name), share, name) for name in names}
        if "rate_bps" in interpolated:
            interpolated["rate_bps"] -= interpolated["rate_bps"] % 8  # netem counts whole bytes a second
        between: T = replace(start, **interpolated)
        return between
    if type(start) is type(end) and isinstance(start, int | float) and not isinstance(start, bool):
        value: Any = start + (end - start) * share  # type: ignore[operator]
        return type(start)(round(value, 0 if isinstance(start, int) else _DECIMALS))
    raise SpecError(
        f"from and to differ in {_WORDS.get(part, part.replace('_', '-'))} by more than numbers",
        hint="use the same parts in both texts",
    )


class _Entry:
    """One mapping, read field by field; a remaining field is an error."""

    def __init__(self, given: object, where: str) -> None:
        if not isinstance(given, Mapping):
            raise SpecError("must be a mapping", word=where)
        self._left = dict(given)
        self._where = where

    def read(self, name: str, convert: Callable[[str], T]) -> T:
        if not isinstance(self._left.get(name), str):
            raise SpecError("must be a text", word=f"{self._where}.{name}", hint=f"add {name}")
        try:
            return convert(self._left.pop(name))
        except SpecError as error:
            raise SpecError(str(error), word=f"{self._where}.{name}") from None

    def time(self, name: str, min_ns: int = 0) -> int:
        time_ns = self.read(name, _time)
        if time_ns < min_ns:
            raise SpecError("is too short", word=f"{self._where}.{name}", hint=f"use {format_time(min_ns)} or more")
        return time_ns

    def shape(self) -> tuple[str, "_Entry | None"]:
        names = [name for name in self._left if name in (*_SHAPES, "netem")]
        if len(names) != 1:
            raise SpecError("requires one of netem, step, ramp, sine", word=self._where)
        name = names[0]
        return name, None if name == "netem" else _Entry(self._left.pop(name), f"{self._where}.{name}")

    def finish(self) -> None:
        for name in self._left:
            raise SpecError("is not a field of this entry", word=f"{self._where}.{name}")


def _time(word: str) -> int:
    return parse_time_ns(word, bare_ns=None)


def _from_and_to(entry: _Entry) -> tuple[Impairment, Impairment]:
    start, end = entry.read("from", parse), entry.read("to", parse)
    interpolate(start, end, 0.5)
    return start, end


def _times(at_ns: int, every_ns: int, for_ns: int) -> range:
    times = range(at_ns, at_ns + for_ns, every_ns)
    if len(times) >= MAX_CHANGES:
        raise SpecError(f"{len(times)} changes", word="every", hint=f"use at most {MAX_CHANGES}")
    return times


def _step(entry: _Entry, at_ns: int) -> Iterator[Change]:
    states = entry.read("from", parse), entry.read("to", parse)
    for index, time_ns in enumerate(_times(at_ns, entry.time("every", MIN_EVERY_NS), entry.time("for", 1))):
        yield Change(time_ns, states[index % 2])


def _ramp(entry: _Entry, at_ns: int) -> Iterator[Change]:
    start, end = _from_and_to(entry)
    for_ns = entry.time("for", 1)
    for time_ns in _times(at_ns, entry.time("every", MIN_EVERY_NS), for_ns):
        yield Change(time_ns, interpolate(start, end, (time_ns - at_ns) / for_ns))
    yield Change(at_ns + for_ns, end)


def _sine(entry: _Entry, at_ns: int) -> Iterator[Change]:
    start, end = _from_and_to(entry)
    period_ns = entry.time("period", MIN_EVERY_NS)
    for time_ns in _times(at_ns, entry.time("every", MIN_EVERY_NS), entry.time("for", 1)):
        yield Change(time_ns, interpolate(start, end, 0.5 + 0.5 * sin(2 * pi * (time_ns - at_ns) / period_ns)))


_SHAPES: dict[str, Callable[[_Entry, int], Iterator[Change]]] = {"step": _step, "ramp": _ramp, "sine": _sine}


def parse_profile(entries: Sequence[object]) -> Profile:
    """Return the schedule of a list of entries; raise SpecError with the path of the field, such as `1.ramp.every`."""
    changes: list[Change] = []
    for index, given in enumerate(entries):
        entry = _Entry(given, str(index))
        at_ns = entry.time("at")
        name, inner = entry.shape()
        if inner is None:
            changes.append(Change(at_ns, entry.read("netem", parse)))
        else:
            changes += _SHAPES[name](inner, at_ns)
            inner.finish()
        entry.finish()
    return Profile(tuple(changes))
