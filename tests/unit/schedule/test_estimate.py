from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.scenario.expand import PlannedCell, expand
from testbed.scenario.select import Selection, Shards
from testbed.schedule.admission import CPU_OVERCOMMIT
from testbed.schedule.estimate import BEGIN_S, FRESH_S, Conditions, Measured, estimate
from testbed.schedule.span import Span

CELLS = expand(
    {
        "nodes": [0, 200, 2000],
        "delay": ["0", "100ms"],
        "netem": ["", "rate 4mbit", "loss 1%"],
        "kernel": ["host", "sid", "trixie"],
    }
)
SOME = st.lists(st.sampled_from(CELLS), max_size=30)
CONDITIONS = st.builds(
    Conditions,
    jobs=st.none() | st.integers(1, 40),
    processors=st.integers(1, 16),
    warm=st.booleans(),
    retain=st.sampled_from(["all", "failed", "summary"]),
    again=st.booleans(),
    load=st.floats(0, 50),
    guest_slowness=st.sampled_from([1.0, 20.0]),
)
QUICK = expand({"nodes": 1})[0]
SLOW = expand({"delay": "1s"})[0]


def values(span: Span) -> tuple[float, float, float]:
    return span.low, span.likely, span.high


def at_most(one: Span, two: Span) -> bool:
    return all(a <= b * (1 + 1e-9) + 1e-9 for a, b in zip(values(one), values(two), strict=True))


def seconds(cells: Sequence[PlannedCell], **conditions: object) -> Span:
    return estimate(cells, Conditions(**conditions)).seconds  # type: ignore[arg-type]


@given(SOME, CONDITIONS)
def test_every_estimate_is_a_range(cells: list[PlannedCell], conditions: Conditions) -> None:
    made = estimate(cells, conditions)
    for span in (made.seconds, made.size_bytes):
        assert 0 <= span.low <= span.likely <= span.high
    assert made.cells == len(cells)


@given(SOME, SOME, CONDITIONS)
def test_more_cells_never_take_less(cells: list[PlannedCell], more: list[PlannedCell], conditions: Conditions) -> None:
    fewer, all_of_them = estimate(cells, conditions), estimate([*cells, *more], conditions)
    assert at_most(fewer.seconds, all_of_them.seconds)
    assert at_most(fewer.size_bytes, all_of_them.size_bytes)


@given(SOME, CONDITIONS, st.integers(1, 40), st.integers(0, 40))
def test_fewer_jobs_never_take_less(cells: list[PlannedCell], conditions: Conditions, jobs: int, more: int) -> None:
    few, many = replace(conditions, jobs=jobs), replace(conditions, jobs=jobs + more)
    assert at_most(estimate(cells, many).seconds, estimate(cells, few).seconds)
    assert estimate(cells, many).size_bytes == estimate(cells, few).size_bytes


@given(SOME, CONDITIONS)
def test_fewer_processors_never_take_less(cells: list[PlannedCell], conditions: Conditions) -> None:
    fewer = replace(conditions, processors=1)
    assert at_most(estimate(cells, conditions).seconds, estimate(cells, fewer).seconds)


@given(SOME, CONDITIONS, st.floats(0, 50))
def test_a_load_never_makes_it_shorter(cells: list[PlannedCell], conditions: Conditions, more: float) -> None:
    busier = replace(conditions, load=conditions.load + more)
    assert at_most(estimate(cells, conditions).seconds, estimate(cells, busier).seconds)
    assert estimate(cells, busier).seconds.low == estimate(cells, conditions).seconds.low


@given(SOME, CONDITIONS)
def test_what_is_retained_decides_the_disk_alone(cells: list[PlannedCell], conditions: Conditions) -> None:
    by_retain = [estimate(cells, replace(conditions, retain=retain)) for retain in ("summary", "failed", "all")]
    assert len({made.seconds for made in by_retain}) == 1
    summary, failed, everything = (made.size_bytes for made in by_retain)
    assert summary.likely == failed.likely
    assert at_most(summary, failed)
    assert at_most(failed, everything)


@given(st.integers(1, 6), CONDITIONS)
def test_all_shards_are_as_large_as_the_whole(count: int, conditions: Conditions) -> None:
    one_by_one = replace(conditions, jobs=1, warm=False)
    cells = [cell for cell in CELLS if cell.cell.kernel == "host"]
    shards = [Selection(shards=Shards((number,), count)).apply(cells) for number in range(1, count + 1)]
    made = [estimate(shard, one_by_one) for shard in shards]
    whole = estimate(cells, one_by_one)
    beside = BEGIN_S.likely * (count - 1)
    assert sum(each.seconds.likely for each in made) == pytest.approx(whole.seconds.likely + beside)
    assert sum(each.size_bytes.likely for each in made) == pytest.approx(whole.size_bytes.likely)


def test_nothing_is_left() -> None:
    assert values(estimate([], Conditions()).seconds) == (0, 0, 0)


def test_waiting_cells_run_beside_each_other_and_busy_ones_do_not() -> None:
    waiting, busy = expand({"delay": "1s"}), expand({"nodes": 20_000, "content": 10_000})
    one = seconds(waiting, processors=2, again=False).likely
    assert seconds(waiting * 16, jobs=16, processors=2, again=False).likely < 1.5 * one
    one = seconds(busy, processors=2, again=False).likely
    assert seconds(busy * 16, jobs=16, processors=2, again=False).likely > 6 * one


def test_set_ups_take_turns() -> None:
    """Sixty-four short cells on one processor, however many may run at the same time: as the scheduler admits them."""
    made = seconds([QUICK] * 64, jobs=64, processors=1, again=False)
    assert made.likely >= 64 * FRESH_S.likely / CPU_OVERCOMMIT


def test_warm_cells_and_cells_without_repetition_take_less() -> None:
    assert seconds([QUICK] * 9, warm=True).likely < seconds([QUICK] * 9).likely
    assert seconds([SLOW] * 9, again=False).high < seconds([SLOW] * 9).high


def test_a_guest_boots_once() -> None:
    def guests(*cells: PlannedCell) -> tuple[str, ...]:
        return estimate(cells, Conditions()).guests

    sid, trixie = (expand({"kernel": kernel})[0] for kernel in ("sid", "trixie"))
    assert (guests(QUICK), guests(trixie, sid, sid)) == ((), ("sid", "trixie"))
    once, twice = seconds([sid]), seconds([sid, sid])
    assert twice.likely < 2 * once.likely
    assert seconds([sid, trixie]).likely == pytest.approx(2 * once.likely - BEGIN_S.likely)


def test_what_was_measured_counts_instead() -> None:
    plain = estimate([SLOW], Conditions())
    made = estimate([SLOW], Conditions(), {SLOW.id: Measured(2.0, 5_000_000), "other": Measured(9.0, 9)})
    assert (plain.measured, made.measured) == (0, 1)
    assert plain.seconds.likely - made.seconds.likely > 25
    assert made.size_bytes.likely == 5_000_000
    assert estimate([SLOW], Conditions(), {SLOW.id: Measured()}).seconds == plain.seconds
    kept = estimate([SLOW], Conditions(retain="summary"), {SLOW.id: Measured(2.0, 5_000_000)})
    assert kept.size_bytes == estimate([SLOW], Conditions(retain="summary")).size_bytes
