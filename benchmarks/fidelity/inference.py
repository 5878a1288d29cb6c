"""Statistical tests: two-sample Kolmogorov-Smirnov, exact binomial intervals, Fisher's exact test."""

from collections.abc import Callable
from math import exp, inf, lgamma, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_TERMS: Final = 100
_BISECTIONS: Final = 60


def kolmogorov_smirnov(one: Numbers, other: Numbers) -> tuple[float, float]:
    """Return the largest distance of the two distribution functions and its asymptotic p value.

    Kolmogorov's series with Stephens' correction for finite samples (J. R. Stat. Soc. B 32, 1970). With ties, as
    whole numbers have them, the true p value is larger.
    """
    points = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (one, other)]
    distance = float(np.max(np.abs(shares[0] - shares[1])))
    root = sqrt(len(one) * len(other) / (len(one) + len(other)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:  # the series converges slowly there, and p is 1 to twelve digits
        return distance, 1.0
    series = sum((-1) ** (term - 1) * exp(-2 * (term * scaled) ** 2) for term in range(1, _TERMS))
    return distance, min(1.0, max(0.0, 2 * series))


def _log_choose(count: int, chosen: int) -> float:
    return lgamma(count + 1) - lgamma(chosen + 1) - lgamma(count - chosen + 1)


def at_most(hits: int, trials: int, probability: float) -> float:
    """Return the probability of `hits` or fewer in `trials`."""
    if probability in (0.0, 1.0):
        return 1.0 if probability == 0 or hits >= trials else 0.0
    win, lose = log(probability), log(1 - probability)
    return min(1.0, sum(exp(_log_choose(trials, k) + k * win + (trials - k) * lose) for k in range(hits + 1)))


def binomial_interval(hits: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return the exact interval of Clopper and Pearson (Biometrika 26, 1934) by bisection of the two tails."""
    tail = (1 - confidence) / 2
    low = _bisect(lambda p: 1 - at_most(hits - 1, trials, p) < tail) if hits else 0.0
    high = _bisect(lambda p: at_most(hits, trials, p) > tail) if hits < trials else 1.0
    return low, high


def _bisect(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def fisher(hits: int, trials: int, other_hits: int, other_trials: int) -> float:
    """Return the two-sided p value that both shares are of one probability: all tables no likelier than this one."""
    total = hits + other_hits
    whole = _log_choose(trials + other_trials, total)
    low, high = max(0, total - other_trials), min(trials, total)
    logs = {k: _log_choose(trials, k) + _log_choose(other_trials, total - k) - whole for k in range(low, high + 1)}
    bound = logs.get(hits, -inf) + 1e-9
    return min(1.0, sum(exp(value) for value in logs.values() if value <= bound))
