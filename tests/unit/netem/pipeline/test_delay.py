from itertools import pairwise
from statistics import correlation, fmean, pstdev

import pytest

from netem.pipeline import Pipeline, Resources
from netem.pipeline.delay import offsets, scaled
from netem.pipeline.tables import normal, pareto, paretonormal
from netem.spec import SpecError, parse
from tests.support.effort import many
from tests.support.frames import numbered, send_numbered

PACKETS = many(20_000)
MS = 10**6
EVERY_NS = 100 * MS  # far more than any delay: nothing overtakes
Z = 4.0


def delays_ns(text: str, resources: Resources = Resources()) -> list[int]:  # noqa: B008 - frozen
    _, left = send_numbered(f"limit 10 {text}", PACKETS, every_ns=EVERY_NS, resources=resources)
    assert [number for _, number in left] == list(range(PACKETS))
    return [at_ns - number * EVERY_NS for at_ns, number in left]


def quantile_error(share: float) -> float:
    return Z * (share * (1 - share) / PACKETS) ** 0.5


def assert_quantiles(values: list[int], expected) -> None:
    """Compare by share: the part of the values below the expected quantile is the quantile's share."""
    for share in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        below = sum(value < expected(share) for value in values) / len(values)
        assert below == pytest.approx(share, abs=quantile_error(share) + 1 / 4096)


def test_a_delay_is_exact() -> None:
    assert set(delays_ns("delay 10ms")) == {10 * MS}


@pytest.mark.parametrize("distribution", ["", "distribution uniform"])
def test_jitter_alone_is_uniform(distribution: str) -> None:
    values = delays_ns(f"delay 10ms 2ms {distribution}")
    assert 8 * MS <= min(values) <= max(values) < 12 * MS
    assert_quantiles(values, lambda share: 8 * MS + 4 * MS * share)
    assert pstdev(values) == pytest.approx(2 * MS * 0.577, rel=Z * (0.2 / PACKETS) ** 0.5)


@pytest.mark.parametrize(("name", "make"), [("normal", normal), ("pareto", pareto), ("paretonormal", paretonormal)])
def test_distributions(name: str, make) -> None:
    values = delays_ns(f"delay 20ms 2ms distribution {name}")
    assert_quantiles(values, lambda share: 20 * MS + 2 * MS * make()[round(share * 4096)] / 8192)


def test_a_table_of_ones_own() -> None:
    values = delays_ns("delay 10ms 8192ns distribution mine", Resources(tables={"mine": (-5, 0, 7)}))
    assert set(values) == {10 * MS - 5, 10 * MS, 10 * MS + 7}
    assert fmean(value == 10 * MS for value in values) == pytest.approx(1 / 3, abs=quantile_error(1 / 3))


def test_a_missing_table_is_known_at_once() -> None:
    with pytest.raises(SpecError, match="not a known distribution"):
        Pipeline(parse("delay 10ms 1ms distribution mine"))


@pytest.mark.parametrize("distribution", ["", "distribution normal"])
@pytest.mark.parametrize(("words", "lag_1"), [("", 0.0), ("correlation true", 0.5)])
def test_correlated_jitter(distribution: str, words: str, lag_1: float) -> None:
    """The kernel correlates a 32-bit number and then uses only its low bits, which the correlation does not reach."""
    values = delays_ns(f"delay 10ms 2ms 50% {distribution} {words}")
    assert correlation(values[:-1], values[1:]) == pytest.approx(lag_1, abs=Z / PACKETS**0.5)
    assert pstdev(values) == pytest.approx(2 * MS * (1.0 if distribution else 0.577), rel=0.02)


def test_scaling_rounds_as_the_kernel_does() -> None:
    # sigma = 8192 q + r: q t + (r t +- 4096) / 8192, cut towards zero
    assert scaled(8192, 5) == 5
    assert scaled(4096, 1) == 1
    assert scaled(4095, 1) == 0
    assert scaled(4096, -1) == -1
    assert scaled(4095, -1) == 0
    assert scaled(10_000_000, -8192) == -10_000_000
    assert offsets("mine", 8192, Resources(tables={"mine": [1, -1]})) == [1, -1]
    assert offsets(None, 5, Resources()) is offsets("uniform", 5, Resources()) is None


def test_jitter_reorders_and_a_negative_delay_means_now() -> None:
    pipeline, left = send_numbered("delay 1ms 5ms", 1000, every_ns=10_000)
    numbers = [number for _, number in left]
    assert any(late < early for early, late in pairwise(numbers))
    assert sorted(numbers) == list(range(1000))
    assert all(at_ns >= number * 10_000 for at_ns, number in left)
    assert pipeline.stats().counters.delayed < 1000


def test_delayed_counts_what_waits() -> None:
    pipeline = Pipeline(parse("delay 1ms 1us"))
    pipeline.push(numbered(0), 0)
    assert pipeline.stats().counters.delayed == 1
