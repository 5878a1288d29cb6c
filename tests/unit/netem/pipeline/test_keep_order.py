from itertools import pairwise

from netem.pipeline import Pipeline
from netem.spec import parse
from tests.support.frames import numbered, send_numbered


def test_jitter_no_longer_reorders() -> None:
    _, left = send_numbered("limit 100000 delay 10ms 9ms keep-order", 20_000, every_ns=100_000)
    assert [number for _, number in left] == list(range(20_000))
    assert all(early <= late for (early, _), (late, _) in pairwise(left))
    assert all(at_ns - number * 100_000 >= 10**6 for at_ns, number in left)


def test_it_holds_across_a_change() -> None:
    pipeline = Pipeline(parse("delay 10ms"))
    pipeline.push(numbered(1), 0)
    pipeline.change(parse("delay 1ms 1us keep-order"), 0)
    pipeline.push(numbered(2), 1)
    assert pipeline.pop_due(10**7) == [numbered(1), numbered(2)]
