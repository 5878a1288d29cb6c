"""Merging of plans and indexes: any shards in any order, again and again, give the same run."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.archive.merging import Merged, Source, merge
from testbed.errors import InputError
from testbed.result import Status
from testbed.run.plan_document import merged_plan, plan_document
from testbed.run.summary import Summary
from testbed.scenario.expand import PlannedCell, expand
from testbed.scenario.select import Selection, Shards
from tests.support.runs import summary

CELL = expand({})[0].cell


def cells(count: int) -> list[PlannedCell]:
    return [PlannedCell(f"c{number}", CELL) for number in range(count)]


def source(
    run: str,
    whole: Sequence[PlannedCell],
    selection: Selection | None = None,
    finished: Sequence[Summary] | None = None,
) -> Source:
    chosen = selection or Selection()
    planned = chosen.apply(whole)
    document = {"run": run, **plan_document(planned), "selection": chosen.document(whole, {})}
    if finished is None:
        finished = [summary(cell.id, repetition=cell.repetition) for cell in planned]
    return Source(run, document, {each.folder: each for each in finished})


def again(run: str, merged: Merged, before: Source) -> Source:
    """Return a merged run as a source of another merge."""
    document = {
        "run": run,
        **merged_plan(merged.cells, merged.requested),
        "selection": {**before.selection, "shards": merged.shards},
    }
    return Source(run, document, {folder: each for folder, (_, each) in merged.attempts.items()})


def outcome(merged: Merged) -> Any:
    return merged.cells, {folder: each for folder, (_, each) in merged.attempts.items()}, merged.missing_shards


STATUSES: list[Status | None] = ["passed", "failed", "error", "unsupported", None]


@st.composite
def runs(draw: st.DrawFn) -> list[Source]:
    """Draw some runs of one scenario: shards or everything, with any statuses."""
    whole = cells(draw(st.integers(1, 9)))
    count = draw(st.integers(1, len(whole)))
    repeat = draw(st.integers(1, 2))
    numbers = draw(st.lists(st.integers(0, count), min_size=1, max_size=5))
    found = []
    for position, number in enumerate(numbers):
        selection = Selection(shards=Shards((number,), count) if number else None, repeat=repeat)
        planned = selection.apply(whole)
        finished = []
        for cell in planned:
            status = draw(st.sampled_from(STATUSES))
            attempts = draw(st.integers(1, 2)) if status is not None else 0
            reliable = draw(st.sampled_from([True, False, None]))
            for attempt in range(1, attempts + 1):
                assert status is not None
                finished.append(
                    summary(
                        cell.id,
                        status,
                        repetition=cell.repetition,
                        attempt=attempt,
                        timing_reliable=reliable,
                        machine_name=f"host{position}",
                    )
                )
        found.append(source(f"run{position}", whole, selection, finished))
    return found


@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_the_sources_does_not_matter(sources: list[Source], random: Any) -> None:
    shuffled = list(sources)
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(sources)


@given(runs())
def test_a_merged_run_merged_again_is_itself(sources: list[Source]) -> None:
    once = merge(sources)
    assert outcome(merge([again("m", once, sources[0])])) == outcome(once)
    assert outcome(merge([*sources, *sources])) == outcome(once)


@given(runs())
def test_merging_step_by_step_is_merging_at_once(sources: list[Source]) -> None:
    once = merge(sources)
    if len({each.shards for each in sources}) == len(sources):  # else the name of the first run decides
        step = sources[0]
        for number, each in enumerate(sources[1:]):
            step = again(f"m{number}", merge([step, each]), step)
        assert outcome(merge([step])) == outcome(once)


@given(runs())
def test_nothing_is_lost_and_nothing_counted_twice(sources: list[Source]) -> None:
    merged = merge(sources)
    everything = {(each.cell, each.repetition) for one in sources for each in one.finished.values()}
    kept = [(each.cell, each.repetition, each.attempt) for _, each in merged.attempts.values()]
    assert {key[:2] for key in kept} == everything
    assert len(set(kept)) == len(kept)
    for folder, (run, each) in merged.attempts.items():
        (origin,) = [one for one in sources if one.run == run]
        assert origin.finished[folder] == each
        assert all(
            other in merged.attempts
            for other, e in origin.finished.items()
            if e.cell == each.cell and e.repetition == each.repetition
        )
    planned = {(cell["id"], cell.get("repetition", 1)) for one in sources for cell in one.document["cells"]}
    assert set(merged.cells) == planned
    assert len(merged.cells) == len(planned)
    last = {}
    for _, each in sorted(merged.attempts.values(), key=lambda attempt: attempt[1].attempt):
        last[each.cell, each.repetition] = each.status
    for one in sources:
        for each in one.finished.values():
            if each.status == "failed":
                assert last[each.cell, each.repetition] == "failed", "a failure is never hidden"


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 2), st.data())
def test_all_shards_are_the_scenario_in_its_order(length: int, count: int, repeat: int, data: st.DataObject) -> None:
    whole = cells(length)
    numbers = range(1, min(count, length) + 1)
    sources = [source(f"r{n}", whole, Selection(shards=Shards((n,), count), repeat=repeat)) for n in numbers]
    merged = merge(sources)
    assert merged.cells == tuple((cell.id, number) for number in range(1, repeat + 1) for cell in whole)
    assert (merged.missing_shards, merged.shards, merged.notes) == ((), None, ())
    missing = data.draw(st.sampled_from(list(numbers)))
    if len(numbers) > 1:
        part = merge([each for number, each in zip(numbers, sources, strict=True) if number != missing])
        assert part.missing_shards == (missing,)
        assert part.cells == tuple(each for each in merged.cells if each in set(part.cells))


def test_a_cell_that_two_machines_have() -> None:
    whole = cells(3)
    first = [
        summary("c0", machine_name="host1", inputs="x"),
        summary("c1", "error", machine_name="host1"),
        summary("c2", timing_reliable=False, machine_name="host1"),
    ]
    second = [
        summary("c0", machine_name="host2", inputs="x"),
        summary("c1", machine_name="host2"),
        summary("c2", machine_name="host2"),
    ]
    merged = merge([source("r2", whole, finished=second), source("r1", whole, finished=first)])
    assert {folder: run for folder, (run, _) in merged.attempts.items()} == {"c0": "r1", "c1": "r2", "c2": "r2"}
    assert merged.notes == (
        "c0: passed in r1 is kept, passed in r2 on host2 (same inputs) is not",
        "c1: passed in r2 is kept, error in r1 on host1 (other inputs) is not",
        "c2: passed in r2 is kept, passed in r1 on host1 (other inputs) is not",
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (source("r2", cells(4)), "r2 has another scenario than r1"),
        (source("r2", cells(3), Selection(repeat=2)), "r2 has another --repeat than r1"),
        (source("r2", cells(3), Selection("family == ipv4")), "r2 has another --filter than r1"),
    ],
)
def test_runs_of_other_scenarios_are_not_merged(other: Source, message: str) -> None:
    with pytest.raises(InputError) as caught:
        merge([source("r1", cells(3)), other])
    assert caught.value.problems == (message,)
    assert caught.value.hint == "merge the shards of one scenario, or runs of the same cells"


def test_shards_of_other_sizes_are_not_merged() -> None:
    sources = [source(f"r{count}", cells(6), Selection(shards=Shards((1,), count))) for count in (2, 3)]
    with pytest.raises(InputError, match="r3 is one of 3 shards, r2 one of 2"):
        merge(sources)
    assert merge([sources[0], source("whole", cells(6))]).missing_shards == ()


def test_a_plan_that_was_changed_by_hand() -> None:
    changed = source("r2", cells(2))
    first, second = changed.document["cells"]
    other = {**first, "requested": {**first["requested"], "nodes": 7}}
    document = {**changed.document, "cells": [other, second]}
    with pytest.raises(InputError, match="c0: its fields in r2 are not those in r1"):
        merge([source("r1", cells(2)), Source("r2", document, {})])
