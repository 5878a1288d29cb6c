from random import Random
from statistics import correlation, fmean, pvariance

import pytest

from netem.pipeline.correlation import KernelSource, Source, TrueSource, source
from netem.spec.quantity import fixed_point

DRAWS = 100_000
FULL = 2**32
Z = 4.0  # standard errors: one test in 16 000 would fail by chance, with the seeds fixed none does


def sample(drawn_from: Source) -> list[float]:
    return [drawn_from.draw() / FULL for _ in range(DRAWS)]


def lag_1(values: list[float]) -> float:
    return correlation(values[:-1], values[1:])


def test_without_correlation_it_is_uniform() -> None:
    values = sample(source(Random(1), 0.0, true_correlation=False))
    assert fmean(values) == pytest.approx(0.5, abs=Z * (1 / 12 / DRAWS) ** 0.5)
    assert pvariance(values) == pytest.approx(1 / 12, rel=0.02)
    assert abs(lag_1(values)) < Z / DRAWS**0.5


@pytest.mark.parametrize("rho", [0.25, 0.5, 0.9])
def test_the_kernel_source_correlates_and_shrinks(rho: float) -> None:
    values = sample(KernelSource(Random(1), fixed_point(rho)))
    assert lag_1(values) == pytest.approx(rho, abs=0.015)
    # the variance of a first-order autoregression with weights rho and 1 - rho
    assert pvariance(values) == pytest.approx(1 / 12 * (1 - rho) / (1 + rho), rel=0.05)


def test_the_kernel_source_is_the_kernels_formula() -> None:
    rho, seed = fixed_point(0.25), 7
    rng = Random(seed)
    last = rng.getrandbits(32)
    found = KernelSource(Random(seed), rho)
    for _ in range(1000):
        value = rng.getrandbits(32)
        last = (value * (2**32 - (rho + 1)) + last * (rho + 1)) // 2**32
        assert found.draw() == last


@pytest.mark.parametrize("rho", [0.25, 0.5, 0.9])
def test_the_true_source_correlates_and_stays_uniform(rho: float) -> None:
    values = sample(TrueSource(Random(1), rho))
    assert lag_1(values) == pytest.approx(rho, abs=0.015)
    error = Z * (1 / 12 / DRAWS * (1 + rho) / (1 - rho)) ** 0.5
    assert fmean(values) == pytest.approx(0.5, abs=error)
    for share in (0.01, 0.25, 0.75, 0.99):
        spread = Z * (share * (1 - share) / DRAWS * (1 + rho) / (1 - rho)) ** 0.5
        assert sum(value < share for value in values) / DRAWS == pytest.approx(share, abs=spread)


@pytest.mark.parametrize("true_correlation", [False, True])
def test_full_correlation_never_changes(true_correlation: bool) -> None:
    found = source(Random(3), 1.0, true_correlation=true_correlation)
    assert len({found.draw() for _ in range(100)}) == 1
