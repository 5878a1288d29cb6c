import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.pipeline import Pipeline, Resources
from netem.spec import SpecError, parse
from tests.support.frames import numbered, send, send_numbered

MS = 10**6


def times_ms(stamps: list[int], sizes_and_arrivals: list[tuple[int, float]], text: str = "trace t") -> list[float]:
    pipeline = Pipeline(parse(text), resources=Resources(traces={"t": stamps}))
    arrivals = [(int(at_ms * MS), numbered(0, size)) for size, at_ms in sizes_and_arrivals]
    return [at_ns / MS for at_ns, _ in send(pipeline, arrivals)]


def test_each_opportunity_carries_one_full_frame() -> None:
    assert times_ms([1, 2, 2, 5], [(1500, 0)] * 6) == [1, 2, 2, 5, 6, 7]


def test_small_packets_share_an_opportunity_and_large_ones_take_several() -> None:
    assert times_ms([10], [(500, 0)] * 4) == [10, 10, 10, 20]
    assert times_ms([10], [(3100, 0), (1300, 0), (200, 0)]) == [30, 30, 40]


def test_an_opportunity_that_finds_nothing_is_wasted() -> None:
    assert times_ms([1, 2, 3], [(1500, 0), (1500, 2.5)]) == [1, 3]
    # and so is the rest of one that a packet came too late for
    assert times_ms([10], [(500, 0), (500, 15)]) == [10, 20]


def test_a_packet_at_the_very_stamp_is_in_time() -> None:
    assert times_ms([10], [(1500, 0), (1500, 10), (1500, 20)]) == [10, 20, 30]


def test_delay_comes_first() -> None:
    assert times_ms([4, 8], [(1500, 0)], "delay 5ms trace t") == [8]


def test_the_long_run_rate_is_that_of_the_trace() -> None:
    stamps = [1, 4, 4, 9]  # 4 frames each 9 ms
    pipeline, left = send_numbered(
        "limit 100000 trace t", 40_000, every_ns=0, size=1500, resources=Resources(traces={"t": stamps})
    )
    assert left[-1][0] == 10_000 * 9 * MS
    assert pipeline.stats().counters.dropped_limit == 0


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=8).map(sorted).filter(lambda s: s[-1] > 0),
    st.lists(st.tuples(st.integers(38, 4000), st.integers(0, 5)), min_size=1, max_size=30),
)
def test_it_agrees_with_a_walk_through_the_opportunities(stamps: list[int], packets: list[tuple[int, int]]) -> None:
    arrivals, now = [], 0
    for size, pause in packets:
        now += pause
        arrivals.append((size, float(now - packets[0][1])))
    assert times_ms(stamps, arrivals) == walk(stamps, arrivals)


def walk(stamps: list[int], arrivals: list[tuple[int, float]]) -> list[float]:
    """The definition, one opportunity after the other."""
    left, waiting, done = [], list(arrivals), 0
    rounds = index = 0
    while waiting:
        time, budget = rounds * stamps[-1] + stamps[index], 1500
        while waiting and waiting[0][1] <= time and budget > 0:
            used = min(budget, waiting[0][0] - done)
            budget, done = budget - used, done + used
            if done == waiting[0][0]:
                left.append(float(time))
                waiting.pop(0)
                done = 0
        index += 1
        if index == len(stamps):
            rounds, index = rounds + 1, 0
    return left


def test_a_missing_trace_is_known_at_once() -> None:
    with pytest.raises(SpecError, match="not a known trace"):
        Pipeline(parse("trace nowhere"))
