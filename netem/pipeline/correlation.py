"""Sources of 32-bit draws: independent, correlated as in the kernel, or truly correlated.

The data path in C has the same sources (`c/draws.c`). It continues the generator of a source and its last number.
"""

from random import Random

from netem.pipeline.stage import State
from netem.spec.quantity import fixed_point

_RANDOM_VERSION = 3
"""Of `Random.getstate`: the words of the Mersenne Twister and its position."""


class Source:
    """Independent draws."""

    kind = 0
    """Its number in the data path in C."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._bits = rng.getrandbits
        self._last = 0

    def draw(self) -> int:
        """Return a number from 0 to 2^32 - 1."""
        return self._bits(32)

    def export_state(self) -> State:
        """Return kind, parameters and state for another data path."""
        return {"kind": self.kind, "last": self._last, "rng": self._rng.getstate()[1]}

    def import_state(self, state: State) -> None:
        """Continue where another data path stopped."""
        self._last = state["last"]
        self._rng.setstate((_RANDOM_VERSION, state["rng"], None))


class KernelSource(Source):
    """netem's generator (`sch_netem.c get_crandom`): lag-1 correlation near rho, but not uniform.

    Its variance is (1 - rho) / (1 + rho) of the uniform one, so numbers near 0 become rare: `loss 10% 25%` loses 1.7 %.
    """

    kind = 1

    def __init__(self, rng: Random, rho: int) -> None:
        super().__init__(rng)
        self._weight = rho + 1
        self._rest = 2**32 - self._weight
        self._last = rng.getrandbits(32)

    def draw(self) -> int:
        """Return the weighted mean of the last number and a new one."""
        self._last = (self._bits(32) * self._rest + self._last * self._weight) >> 32
        return self._last

    def export_state(self) -> State:
        """Add the weight of the last number."""
        return super().export_state() | {"weight": self._weight}


class TrueSource(Source):
    """A source that repeats its last number with probability `correlation`, else draws a new one.

    Its numbers are uniform and their lag-1 correlation is exactly `correlation`. Events below a threshold form a
    two-state chain with the requested mean and lag-1 correlation.
    """

    kind = 2

    def __init__(self, rng: Random, correlation: float) -> None:
        super().__init__(rng)
        self._correlation = correlation
        self._uniform = rng.random
        self._last = rng.getrandbits(32)

    def draw(self) -> int:
        """Return the last number again, or a new one."""
        if self._uniform() >= self._correlation:
            self._last = self._bits(32)
        return self._last

    def export_state(self) -> State:
        """Add the probability of a repetition."""
        return super().export_state() | {"correlation": self._correlation}


def source(rng: Random, correlation: float, *, true_correlation: bool) -> Source:
    """Return the source for a correlation from 0 to 1."""
    if not correlation:
        return Source(rng)
    if true_correlation:
        return TrueSource(rng, correlation)
    return KernelSource(rng, fixed_point(correlation))
