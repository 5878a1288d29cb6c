from random import Random

import pytest

from netem.pipeline import Counters, Lateness, Statistics
from netem.pipeline.statistics import MAX_SAMPLES, DelayRecorder


def entries(arrivals: list[int]) -> list[tuple[int, int, int, bytes]]:
    return [(0, arrived, 0, b"") for arrived in arrivals]


def test_few_delays_are_exact() -> None:
    recorder = DelayRecorder()
    assert recorder.snapshot() is None
    recorder.record_batch(100, entries([0, 90]))
    recorder.record_batch(200, entries([150]))
    figures = recorder.snapshot()
    assert figures
    assert (figures.packets, figures.min, figures.p50, figures.p99, figures.max) == (3, 10, 50, 100, 100)


@pytest.mark.parametrize("batch", [1, 7, 5000])
def test_many_delays_take_bounded_memory(batch: int) -> None:
    recorder, rng = DelayRecorder(), Random(1)
    delays = [rng.randrange(10**6) for _ in range(50_000)]
    for start in range(0, len(delays), batch):
        recorder.record_batch(10**6, entries([10**6 - delay for delay in delays[start : start + batch]]))
    figures = recorder.snapshot()
    assert figures
    assert len(recorder.samples) <= MAX_SAMPLES
    assert (figures.packets, figures.min, figures.max) == (50_000, min(delays), max(delays))
    assert figures.p50 == pytest.approx(500_000, abs=45_000)  # four standard errors of 2000 samples
    assert figures.p99 == pytest.approx(990_000, abs=9_000)


def test_plain_values_for_json() -> None:
    values = Statistics(Counters(packets_in=3), 1, None, Lateness(5, 1, 2, 3)).as_dict()
    assert values["packets_in"] == 3
    assert values["packets_queued"] == 1
    assert values["delay_ns"] is None
    assert values["lateness_ns"] == {"packets": 5, "p50": 1, "p99": 2, "max": 3}
