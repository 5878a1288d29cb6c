from netem.pipeline import Pipeline
from netem.spec import parse
from tests.support.frames import numbered, send_numbered


def test_a_full_queue_loses_the_tail() -> None:
    pipeline, left = send_numbered("limit 3 delay 1s", 10, every_ns=1)
    assert [number for _, number in left] == [0, 1, 2]
    assert pipeline.stats().counters.dropped_limit == 7
    assert pipeline.stats().counters.dropped_loss == 0


def test_a_limit_of_nothing_loses_everything() -> None:
    assert send_numbered("limit 0 delay 1ms", 5)[1] == []


def test_overdue_packets_no_longer_count_against_the_limit() -> None:
    pipeline = Pipeline(parse("limit 2 delay 5ns"))
    for at_ns in (0, 1, 10, 11):
        pipeline.push(numbered(at_ns), at_ns)
    assert len(pipeline.pop_due(20)) == 4
    assert pipeline.stats().counters.dropped_limit == 0


def test_without_one_the_queue_holds_what_the_delay_keeps_in_flight() -> None:
    _, left = send_numbered("delay 1s", 50_000, every_ns=12_000)
    assert len(left) == 50_000
