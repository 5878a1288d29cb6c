"""Which attempts a merged run consists of, from the plans and indexes of its sources. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from testbed.errors import InputError
from testbed.result import cell_folder
from testbed.run.plan_document import planned_names, requested_of
from testbed.run.summary import Summary

_RANK: Final = {"failed": 0, "passed": 1, "unsupported": 2, "error": 3}
"""Which of two results of one cell is kept: a failure is never hidden, an error of the environment is no result."""

SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Source:
    """One run to merge: its `run.json`, its finished attempts by folder, and its place among the shards."""

    run: str
    document: Mapping[str, Any]
    finished: Mapping[str, Summary]

    @property
    def selection(self) -> Mapping[str, Any]:
        """Return how its cells were selected."""
        return self.document.get("selection") or {}

    @property
    def shards(self) -> tuple[tuple[int, ...], int]:
        """Return the numbers of its shards, and how many shards there are; the whole scenario is the only one of 1."""
        shards = self.selection.get("shards") or {"numbers": [1], "count": 1}
        return tuple(shards["numbers"]), int(shards["count"])


@dataclass(frozen=True, slots=True)
class Merged:
    """The plan of a merged run: `attempts` has each folder with the run it is taken from and its line of the index."""

    cells: tuple[tuple[str, int], ...]
    requested: Mapping[str, Mapping[str, Any]]
    attempts: Mapping[str, tuple[str, Summary]]
    shards: dict[str, Any] | None
    missing_shards: tuple[int, ...]
    notes: tuple[str, ...]


def merge(sources: Sequence[Source]) -> Merged:
    """Return the plan of the merged run; the order of the sources does not matter.

    Raises InputError if they are not parts of one scenario.
    """
    ordered = sorted({source.run: source for source in sources}.values(), key=lambda source: source.run)
    _check_one_scenario(ordered)
    requested = _requested(ordered)
    cells, present, count = _cells(ordered)
    attempts, notes = _attempts(ordered)
    whole = int(ordered[0].selection.get("cells", len(requested)))
    missing = tuple(number for number in range(1, min(count, whole) + 1) if number not in present)
    return Merged(
        cells=cells,
        requested=requested,
        attempts=attempts,
        shards={"numbers": sorted(present), "count": count} if missing else None,
        missing_shards=missing,
        notes=tuple(notes),
    )


def _check_one_scenario(sources: Sequence[Source]) -> None:
    first = sources[0]
    lines = []
    for other in sources[1:]:
        for name, what in (
            ("digest", "another scenario"),
            ("filter", "another --filter"),
            ("repeat", "another --repeat"),
        ):
            if first.selection.get(name) != other.selection.get(name):
                lines.append(f"{other.run} has {what} than {first.run}")
                break
        else:
            counts = {first.shards[1], other.shards[1]} - {1}
            if len(counts) > 1:
                lines.append(f"{other.run} is one of {other.shards[1]} shards, {first.run} one of {first.shards[1]}")
    if lines:
        raise InputError(lines, hint="merge the shards of one scenario, or runs of the same cells")


def _requested(sources: Sequence[Source]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    lines = []
    for source in sources:
        for id_, fields in requested_of(source.document).items():
            run, before = found.setdefault(id_, (source.run, fields))
            if before != fields:
                lines.append(f"{id_}: its fields in {source.run} are not those in {run}")
    if lines:
        raise InputError(lines[:SHOWN], hint="one of these runs was changed by hand, or by another version")
    return {id_: fields for id_, (_, fields) in found.items()}


def _cells(sources: Sequence[Source]) -> tuple[tuple[tuple[str, int], ...], set[int], int]:
    """Return all planned cells in the order of the scenario, the shards that are there, and how many there are.

    Cell number `j` of shard `i` of `n` is number `i - 1 + j * n` of the scenario.
    """
    count = max(source.shards[1] for source in sources)
    position: dict[str, int] = {}
    present: set[int] = set()
    for source in sources:
        numbers, parts = source.shards
        ids = list(dict.fromkeys(id_ for id_, _ in planned_names(source.document)))
        present |= set(range(1, count + 1) if parts < count or count == 1 else numbers)
        position.update(zip(ids, _positions(numbers, parts, len(ids)), strict=True))
    repetitions = max(number for source in sources for _, number in planned_names(source.document))
    ids = sorted(position, key=position.__getitem__)
    return tuple((id_, number) for number in range(1, repetitions + 1) for id_ in ids), present, count


def _positions(numbers: Sequence[int], count: int, length: int) -> list[int]:
    """Return the positions of the first `length` cells of these shards, in the order of the scenario."""
    rows = -(-length // len(numbers))
    return [row * count + number - 1 for row in range(rows) for number in sorted(numbers)][:length]


def _attempts(sources: Sequence[Source]) -> tuple[dict[str, tuple[str, Summary]], list[str]]:
    """Return the attempts of the better source of each cell, with notes on the others."""
    per_cell: dict[tuple[str, int], list[tuple[str, list[Summary]]]] = {}
    for source in sources:
        of_source: dict[tuple[str, int], list[Summary]] = {}
        for summary in source.finished.values():
            of_source.setdefault((summary.cell, summary.repetition), []).append(summary)
        for key, attempts in of_source.items():
            attempts.sort(key=lambda summary: summary.attempt)
            per_cell.setdefault(key, []).append((source.run, attempts))
    chosen: dict[str, tuple[str, Summary]] = {}
    notes = []
    for (cell, repetition), candidates in sorted(per_cell.items()):
        candidates.sort(key=lambda candidate: (*_quality(candidate[1][-1]), candidate[0]))
        (run, attempts), *others = candidates
        chosen.update({summary.folder: (run, summary) for summary in attempts})
        notes += [_note(cell_folder(cell, repetition), run, attempts[-1], *other) for other in others]
    return chosen, notes


def _quality(summary: Summary) -> tuple[int, bool]:
    return _RANK[summary.status], summary.timing_reliable is False


def _note(folder: str, run: str, kept: Summary, other: str, attempts: Sequence[Summary]) -> str:
    left = attempts[-1]
    same = "same inputs" if kept.inputs and kept.inputs == left.inputs else "other inputs"
    where = f" on {left.machine_name}" if left.machine_name != kept.machine_name else ""
    return f"{folder}: {kept.status} in {run} is kept, {left.status} in {other}{where} ({same}) is not"
