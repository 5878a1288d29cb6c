from math import comb

import numpy as np
import pytest

from benchmarks.fidelity.inference import at_most, binomial_interval, fisher, kolmogorov_smirnov

RNG = np.random.default_rng(5)


def test_equal_samples_have_no_distance() -> None:
    values = RNG.normal(size=500)
    assert kolmogorov_smirnov(values, values) == (0.0, 1.0)


def test_p_of_equal_distributions_is_uniform() -> None:
    """Of 400 p values about a tenth is below 0.1: between 20 and 64 with 99.99 % confidence."""
    below = sum(kolmogorov_smirnov(RNG.normal(size=300), RNG.normal(size=400))[1] < 0.1 for _ in range(400))
    assert 20 <= below <= 64


def test_a_shift_of_a_tenth_is_detected_in_ten_thousand() -> None:
    assert kolmogorov_smirnov(RNG.normal(size=10_000), RNG.normal(0.1, size=10_000))[1] < 1e-4


def test_known_value_of_kolmogorovs_distribution() -> None:
    """P(K > 1.3581) is 0.05: with D chosen for samples of 10^6 and 10^6, where the correction vanishes."""
    size = 1_000_000
    one = np.arange(size) / size
    distance = 1.3581 / (size / 2) ** 0.5
    assert kolmogorov_smirnov(one, one + distance)[1] == pytest.approx(0.05, abs=0.001)


def test_the_tail_is_the_sum() -> None:
    assert at_most(3, 10, 0.3) == pytest.approx(sum(comb(10, k) * 0.3**k * 0.7 ** (10 - k) for k in range(4)))
    assert at_most(0, 5, 0.0) == 1.0
    assert at_most(4, 5, 1.0) == 0.0


def test_intervals_of_the_tables() -> None:
    """Clopper and Pearson, 95 %: 0 of 10, 10 of 100, all of 10."""
    assert binomial_interval(0, 10, 0.95) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert binomial_interval(10, 100, 0.95) == pytest.approx((0.0490, 0.1762), abs=1e-4)
    assert binomial_interval(10, 10, 0.95) == pytest.approx((0.6915, 1.0), abs=1e-4)


def test_fishers_tea() -> None:
    """The lady tasting tea: 3 of 4 and 1 of 4 has p = 0.4857, 4 and 0 has 2/70."""
    assert fisher(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert fisher(4, 4, 0, 4) == pytest.approx(2 / 70)
    assert fisher(200, 10_000, 300, 10_000) < 1e-5
    assert fisher(0, 10, 0, 10) == 1.0
