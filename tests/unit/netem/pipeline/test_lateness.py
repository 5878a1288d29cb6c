from hypothesis import given
from hypothesis import strategies as st

from netem.pipeline import LATENESS_BUCKETS
from netem.pipeline.lateness import LatenessHistogram, bucket_of, upper_bound_ns

MAX_NS = 2**63 - 1


def entry(due_ns: int, arrived_ns: int) -> tuple[int, int, int, bytes]:
    return due_ns, arrived_ns, 60, b""


@given(st.integers(0, MAX_NS))
def test_a_bucket_is_at_most_a_sixteenth_wide(late_ns: int) -> None:
    bucket = bucket_of(late_ns)
    assert late_ns <= upper_bound_ns(bucket) <= late_ns + late_ns // 16
    assert not bucket or upper_bound_ns(bucket - 1) < late_ns


def test_every_time_has_a_bucket_and_each_bucket_a_time() -> None:
    assert [bucket_of(late_ns) for late_ns in range(34)] == [*range(33), 32]
    assert bucket_of(MAX_NS) < LATENESS_BUCKETS
    assert [bucket_of(upper_bound_ns(bucket)) for bucket in range(bucket_of(MAX_NS) + 1)] == [
        *range(bucket_of(MAX_NS) + 1)
    ]


def test_only_frames_that_waited_count() -> None:
    histogram = LatenessHistogram()
    histogram.record_batch(100, [entry(50, 50)])
    assert histogram.snapshot() is None
    histogram.record_batch(100, [entry(50, 50), entry(90, 20), entry(40, 70)])
    found = histogram.snapshot()
    assert found
    assert (found.packets, found.p50, found.p99, found.max) == (1, 10, 10, 10)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_percentiles_are_at_most_a_sixteenth_too_high(lateness: list[int]) -> None:
    histogram = LatenessHistogram()
    now_ns = 10**12
    histogram.record_batch(now_ns, [entry(now_ns - late_ns, 0) for late_ns in lateness])
    found, ordered = histogram.snapshot(), sorted(lateness)
    assert found
    assert (found.packets, found.max) == (len(ordered), ordered[-1])
    for figure, percent in ((found.p50, 50), (found.p99, 99)):
        exact = ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        assert exact <= figure <= min(exact + exact // 16, ordered[-1])
