"""Sources of 32-bit draws: independent, correlated as in the kernel, or truly correlated."""

from collections.abc import Callable
from random import Random

from netem.spec.quantity import fixed_point

Draw = Callable[[], int]
"""Return a number from 0 to 2^32 - 1."""


def kernel_source(rng: Random, rho: int) -> Draw:
    """Return netem's generator (`sch_netem.c get_crandom`): lag-1 correlation near rho, but not uniform.

    Its variance is (1 - rho) / (1 + rho) of the uniform one, so numbers near 0 become rare: `loss 10% 25%` loses 1.7 %.
    """
    weight = rho + 1
    rest = 2**32 - weight
    bits = rng.getrandbits
    last = bits(32)

    def draw() -> int:
        nonlocal last
        last = (bits(32) * rest + last * weight) >> 32
        return last

    return draw


def true_source(rng: Random, correlation: float) -> Draw:
    """Return a source that repeats its last number with probability `correlation`, else draws a new one.

    Its numbers are uniform and their lag-1 correlation is exactly `correlation`. Events below a threshold form a
    two-state chain with the requested mean and lag-1 correlation.
    """
    bits, uniform = rng.getrandbits, rng.random
    last = bits(32)

    def draw() -> int:
        nonlocal last
        if uniform() >= correlation:
            last = bits(32)
        return last

    return draw


def source(rng: Random, correlation: float, *, true_correlation: bool) -> Draw:
    """Return the source for a correlation from 0 to 1."""
    if not correlation:
        bits = rng.getrandbits
        return lambda: bits(32)
    if true_correlation:
        return true_source(rng, correlation)
    return kernel_source(rng, fixed_point(correlation))
