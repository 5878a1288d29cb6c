from netem.pipeline import Pipeline
from netem.spec import parse
from tests.support.frames import numbered, send, send_numbered

MS = 10**6


def test_everything_in_the_hole_is_lost() -> None:
    pipeline, left = send_numbered("blackhole 3ms 2ms blackhole 8ms 1ms", 10)
    assert [number for _, number in left] == [0, 1, 2, 5, 6, 7, 9]
    assert pipeline.stats().counters.dropped_blackhole == 3


def test_time_counts_from_the_first_packet() -> None:
    pipeline = Pipeline(parse("blackhole 1ms 1ms"))
    start_ns = 10**15
    arrivals = [(start_ns + number * MS, numbered(number)) for number in range(4)]
    assert [frame for _, frame in send(pipeline, arrivals)] == [numbered(0), numbered(2), numbered(3)]


def test_what_was_queued_before_still_leaves() -> None:
    _, left = send_numbered("delay 5ms blackhole 1ms 100ms", 50)
    assert [number for _, number in left] == [0]
