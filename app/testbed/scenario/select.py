"""Choose and repeat the cells of a scenario: by an expression, by a shard, several times each. No I/O.

In this order: the shards of a filtered scenario are equally long, and all repetitions of a cell are in one shard, so on
one machine.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from testbed.errors import InputError
from testbed.scenario.expand import MAX_CELLS, PlannedCell
from testbed.scenario.filter import parse_filter

MAX_REPETITIONS: Final = 10_000
MAX_SHARDS: Final = MAX_CELLS


@dataclass(frozen=True, slots=True)
class Shards:
    """Some of `count` equal parts of the cells, numbered from 1; more than one after `testbed merge`."""

    numbers: tuple[int, ...]
    count: int

    def __str__(self) -> str:
        return f"{','.join(map(str, self.numbers))}/{self.count}"

    def of(self, cells: Sequence[PlannedCell]) -> tuple[PlannedCell, ...]:
        """Return their cells: of one shard every `count`th, so that neighbours, which are alike, are spread."""
        return tuple(cell for index, cell in enumerate(cells) if index % self.count + 1 in self.numbers)


def parse_shard(text: str) -> Shards:
    """Return the shard that a text such as `2/8` names; raises InputError."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip(), re.ASCII)
    if match is None:
        raise InputError([f"--shard: {text!r} is not I/N"], hint="such as 2/8, the second of eight")
    number, count = int(match[1]), int(match[2])
    if not 1 <= number <= count <= MAX_SHARDS:
        raise InputError(
            [f"--shard: {text!r} is no shard: I is from 1 to N, N up to {MAX_SHARDS}"],
            hint="such as 2/8, the second of eight",
        )
    return Shards((number,), count)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cells of a scenario a run has, and how often each."""

    filter: str = ""
    shards: Shards | None = None
    repeat: int = 1

    def document(self, whole: Sequence[PlannedCell], files: Mapping[str, bytes]) -> dict[str, Any]:
        """Return `selection` of `run.json`; `whole` are the filtered cells of all shards."""
        return {
            "filter": self.filter,
            "shards": None if self.shards is None else {"numbers": [*self.shards.numbers], "count": self.shards.count},
            "repeat": self.repeat,
            "cells": len(whole),
            "digest": scenario_digest([planned.id for planned in whole], files),
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the selection that a `run.json` has; that of a run without one is everything, once."""
        shards = document.get("shards")
        return cls(
            filter=str(document.get("filter", "")),
            shards=None if shards is None else Shards(tuple(shards["numbers"]), int(shards["count"])),
            repeat=int(document.get("repeat", 1)),
        )

    def filtered(self, cells: Sequence[PlannedCell]) -> tuple[PlannedCell, ...]:
        """Return the cells that the expression chooses; raises InputError if it is wrong or chooses none."""
        if not self.filter:
            return tuple(cells)
        chosen = tuple(filter(parse_filter(self.filter), cells))
        if not chosen:
            raise InputError(
                [f"--filter: none of {len(cells)} cells matches {self.filter!r}"],
                hint="--dry-run without --filter shows the cells",
            )
        return chosen

    def apply(self, cells: Sequence[PlannedCell]) -> tuple[PlannedCell, ...]:
        """Return the chosen cells, each as often as requested; raises InputError if there is none."""
        filtered = self.filtered(cells)
        chosen = filtered if self.shards is None else self.shards.of(filtered)
        if not chosen:
            raise InputError([f"--shard: shard {self.shards} of {len(filtered)} cells has no cell"])
        if len(chosen) * self.repeat > MAX_CELLS:
            raise InputError([f"--repeat: {len(chosen)} cells, {self.repeat} times each, are more than {MAX_CELLS}"])
        return repeated(chosen, self.repeat)


def repeated(cells: Sequence[PlannedCell], times: int) -> tuple[PlannedCell, ...]:
    """Return all cells, then all of them again, and so on: what changes slowly affects all cells alike."""
    return tuple(replace(cell, repetition=number) for number in range(1, times + 1) for cell in cells)


def scenario_digest(ids: Iterable[str], files: Mapping[str, bytes]) -> str:
    """Return a digest of a scenario: equal for equal cells in the same order with equal link files."""
    digest = hashlib.sha256()
    for id_ in ids:
        digest.update(f"{id_}\n".encode())
    for name in sorted(files):
        digest.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
