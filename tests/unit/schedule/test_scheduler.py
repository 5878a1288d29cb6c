from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.schedule.admission import Capacity, Reading
from testbed.schedule.needs import Needs
from testbed.schedule.scheduler import MOST_OVERTAKEN, Choice, Ending, Rules, Scheduler

SLEEPS = Needs("host", 30.0, 0.03)
WORKS = Needs("host", 30.0, 1.0)
GUEST = Needs("sid", 1.0, 0.1)
GOOD = Ending(failed=False, reliable=True)
BAD = Ending(failed=True, reliable=True)
TAINTED = Ending(failed=False, reliable=False)
IDLE = Reading(0.0, 1 << 40)
S = 1_000_000_000


def scheduler(needs: Sequence[Needs], rules: Rules, processors: int = 64) -> Scheduler:
    return Scheduler(needs, rules, Capacity(processors), 0)


def begin(plan: Scheduler, now_ns: int = 0, reading: Reading = IDLE) -> list[Choice]:
    chosen = []
    while choice := plan.next(now_ns, reading):
        chosen.append(choice)
    return chosen


def first(*indexes: int) -> list[Choice]:
    return [Choice(index, 1, alone=False) for index in indexes]


def test_as_many_as_allowed_begin_in_the_order_of_the_file() -> None:
    plan = scheduler([SLEEPS] * 5, Rules(jobs=2))
    assert begin(plan) == first(0, 1)
    assert not plan.end(1, GOOD, 0, IDLE)
    assert begin(plan) == first(2)
    assert (plan.running, plan.waiting, plan.not_begun) == (2, 2, [3, 4])


def test_cells_are_grouped_by_machine_and_those_of_the_host_run_beside_a_guest() -> None:
    plan = scheduler([GUEST, SLEEPS, GUEST, SLEEPS], Rules(jobs=4), processors=2)
    assert begin(plan) == first(0, 1, 3)
    plan.transfers(0)
    assert begin(plan) == first(2), "the guest has booted, and its first cell waits"


def test_a_boot_of_a_guest_with_many_cells_does_not_delay_those_of_the_host() -> None:
    plan = scheduler([*[GUEST] * 100, *[SLEEPS] * 100], Rules(jobs=3), processors=2)
    assert begin(plan) == first(0, 100, 101)
    for index in range(100, 198):
        plan.end(index, GOOD, 0, IDLE)
        assert begin(plan) == first(index + 2)


def test_a_random_order_is_that_of_its_seed() -> None:
    def order(seed: int) -> list[int]:
        return [choice.index for choice in begin(scheduler([SLEEPS] * 50, Rules(50, "random", seed)))]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == list(range(50)) != order(1)


def test_a_cell_that_fits_overtakes_one_that_does_not_but_not_for_ever() -> None:
    large = Needs("host", 30.0, 0.03, memory_bytes=1 << 41)
    plan = Scheduler([SLEEPS, large, *[SLEEPS] * 100], Rules(jobs=2), Capacity(64), 0)
    begin(plan)
    for _ in range(200):
        oldest = next(iter(plan._running))
        plan.end(oldest, GOOD, 0, IDLE)
        if any(choice.index == 1 for choice in begin(plan)):
            break
    assert plan.waiting == 100 - MOST_OVERTAKEN - 1 + 1


def test_a_cell_that_transfers_makes_room_for_the_next() -> None:
    plan = scheduler([SLEEPS] * 9, Rules(jobs=9), processors=1)
    assert begin(plan) == first(0, 1)
    plan.transfers(0)
    assert begin(plan) == []
    plan.transfers(1)
    plan.transfers(7)
    assert begin(plan) == first(2)


def test_an_unreliable_attempt_is_repeated_once_and_alone_after_all_others() -> None:
    plan = scheduler([SLEEPS] * 4, Rules(jobs=2, again=True))
    begin(plan)
    assert plan.end(0, TAINTED, 0, IDLE)
    assert begin(plan) == first(2)
    plan.end(1, GOOD, 0, IDLE)
    assert begin(plan) == first(3)
    plan.end(2, GOOD, 0, IDLE)
    assert begin(plan) == [], "it runs alone"
    plan.end(3, TAINTED, 0, IDLE)
    assert begin(plan) == [Choice(0, 2, alone=True)]
    assert not plan.end(0, TAINTED, 0, IDLE)
    assert begin(plan) == [Choice(3, 2, alone=True)]
    plan.end(3, GOOD, 0, IDLE)
    assert (begin(plan), plan.waiting) == ([], 0)


def test_without_that_rule_nothing_is_repeated() -> None:
    plan = scheduler([SLEEPS], Rules())
    begin(plan)
    assert not plan.end(0, TAINTED, 0, IDLE)


def test_fail_fast() -> None:
    plan = scheduler([SLEEPS] * 4, Rules(jobs=2, fail_fast=True))
    begin(plan)
    plan.end(0, BAD, 0, IDLE)
    assert begin(plan) == []
    assert "--fail-fast" in plan.closed
    assert plan.running == 1
    plan.end(1, GOOD, 0, IDLE)
    assert plan.not_begun == [2, 3]


def test_fail_fast_waits_for_the_second_attempt() -> None:
    plan = scheduler([SLEEPS] * 2, Rules(again=True, fail_fast=True))
    begin(plan)
    assert plan.end(0, Ending(failed=True, reliable=False), 0, IDLE)
    assert begin(plan) == first(1)


def test_no_cell_begins_that_would_not_end_in_time() -> None:
    plan = scheduler([SLEEPS] * 4, Rules(jobs=1, max_duration_s=70))
    assert begin(plan, 0) == first(0)
    plan.end(0, GOOD, 32 * S, IDLE)
    assert begin(plan, 32 * S) == first(1)
    plan.end(1, GOOD, 64 * S, IDLE)
    assert begin(plan, 64 * S) == []
    assert plan.closed == "the next cell would not have ended within 70 s"


def test_the_estimate_learns_what_cells_take_beside_their_transfers() -> None:
    plan = scheduler([Needs("host", 1.0, 0.1)] * 100, Rules(max_duration_s=1000))
    for second in range(0, 800, 20):
        assert begin(plan, second * S)
        plan.end(second // 20, GOOD, (second + 20) * S, IDLE)
    assert begin(plan, 985 * S) == []


def test_auto_grows_on_a_calm_machine_and_shrinks_after_tainted_cells() -> None:
    plan = scheduler([SLEEPS] * 100, Rules(jobs=None), processors=2)
    for index in range(2):
        begin(plan)
        plan.transfers(index)
    for index in range(2, 12):
        plan.calm(IDLE)
        begin(plan)
        plan.transfers(index)
    assert plan.jobs == 12
    plan.calm(Reading(0.9))
    assert plan.jobs == 12
    plan.end(0, TAINTED, 0, IDLE)
    assert plan.jobs == 8
    assert begin(plan) == []


def test_auto_begins_nothing_on_an_overloaded_machine_but_always_one_cell() -> None:
    plan = scheduler([SLEEPS] * 3, Rules(jobs=None), processors=2)
    assert begin(plan, reading=Reading(1.0)) == first(0)


@given(
    st.lists(st.sampled_from([SLEEPS, WORKS, GUEST]), max_size=12),
    st.integers(1, 5),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_every_cell_ends_and_none_is_lost_or_counted_twice(needs, jobs, again, draw) -> None:
    plan = scheduler(needs, Rules(jobs=jobs, again=again), processors=2)
    running: dict[int, Choice] = {}
    done: list[tuple[int, int]] = []
    while True:
        for choice in begin(plan):
            assert choice.index not in running
            running[choice.index] = choice
            assert not choice.alone or len(running) == 1
        assert len(running) <= jobs
        if not running:
            break
        index = draw.choice(sorted(running))
        if draw.random() < 0.5:
            plan.transfers(index)
            continue
        choice = running.pop(index)
        ending = draw.choice([GOOD, BAD, TAINTED])
        repeated = plan.end(index, ending, 0, IDLE)
        assert repeated == (again and ending == TAINTED and choice.number == 1)
        done.append((index, choice.number))
    assert len(done) == len(set(done))
    assert {index for index, _ in done} == set(range(len(needs)))
    assert plan.waiting == 0


@pytest.mark.parametrize("count", [100_000])
def test_the_choice_does_not_depend_on_how_many_cells_wait(count: int) -> None:
    plan = scheduler([SLEEPS] * count, Rules(jobs=4))
    for index in range(1000):
        begin(plan)
        plan.end(index, GOOD, 0, IDLE)
    assert plan.waiting == count - 1003
