"""Compare the samples of a row, from the kernel and from the user engine: figures, p values and verdicts."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import atanh, erfc, sqrt
from random import Random
from typing import Any, Final

import numpy as np

from benchmarks.fidelity.inference import Numbers, binomial_interval, fisher, kolmogorov_smirnov
from benchmarks.fidelity.rows import FIXED_MS, ROWS, Compared, Row
from benchmarks.fidelity.sample import Sample, after, bunches, bursts, lag_correlation, spacing_ms
from netem.spec import parse

OVERALL_LEVEL: Final = 0.01
"""The probability that two equal engines differ anywhere in the table."""
LEVEL: Final = OVERALL_LEVEL / sum(len(row.compared) + len(row.probabilities) for row in ROWS)
"""The same for one comparison, by Bonferroni's correction."""
LEAST_MS: Final = 0.5
"""Tolerance for the difference of the smallest delays."""
SPACING_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table: the figure of each engine, the probability of a difference as large, and the verdict."""

    text: str
    what: str
    kernel: str
    user: str
    statistic: str
    p: float | None
    same: bool

    def record(self) -> dict[str, Any]:
        """Return it for a JSON document."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both samples of a row; if delays are compared, also what each engine added to a fixed delay at that time."""

    row: Row
    kernel: Sample
    user: Sample
    kernel_noise_ms: Numbers | None = None
    user_noise_ms: Numbers | None = None


def noise_ms(sample: Sample) -> Numbers:
    """Return what the engine added to a fixed delay."""
    return sample.known_ms - FIXED_MS


def judge(pair: Pair) -> Iterator[Finding]:
    """Make all comparisons of the row."""
    for what in pair.row.compared:
        yield _JUDGES[what](pair, what)


def _finding(
    pair: Pair, what: str, figures: tuple[str, str], statistic: str, p: float, *, as_requested: bool = True
) -> Finding:
    return Finding(pair.row.text, what, *figures, statistic, p, same=p >= LEVEL and as_requested)


def _spread(values: Numbers, unit: str = " ms") -> str:
    return f"{np.mean(values):.4g} ± {np.std(values):.3g}{unit}"


def _delays(pair: Pair, what: Compared) -> Finding:
    """Add the other engine's noise to each sample: with equal distributions, both sums have the same distribution."""
    assert pair.kernel_noise_ms is not None
    assert pair.user_noise_ms is not None
    rng = np.random.default_rng(Random(pair.row.text).getrandbits(32))
    kernel, user = pair.kernel.known_ms, pair.user.known_ms
    distance, p = kolmogorov_smirnov(
        kernel + rng.choice(pair.user_noise_ms, len(kernel)), user + rng.choice(pair.kernel_noise_ms, len(user))
    )
    return _finding(pair, what, (_spread(kernel), _spread(user)), f"KS D = {distance:.4f}", p)


def _distribution(of: Callable[[Sample], Numbers], unit: str) -> Callable[[Pair, Compared], Finding]:
    def compare(pair: Pair, what: Compared) -> Finding:
        kernel, user = of(pair.kernel), of(pair.user)
        distance, p = kolmogorov_smirnov(kernel, user)
        figures = tuple(f"{_spread(values, unit)} ({len(values)})" for values in (kernel, user))
        return _finding(pair, what, (figures[0], figures[1]), f"KS D = {distance:.4f}", p)

    return compare


def _count(of: Callable[[Sample], tuple[int, int]]) -> Callable[[Pair, Compared], Finding]:
    def compare(pair: Pair, what: Compared) -> Finding:
        kernel, user = of(pair.kernel), of(pair.user)
        intervals = [binomial_interval(*counted, 1 - LEVEL) for counted in (kernel, user)]
        requested_share = pair.row.probabilities.get(what)
        inside = requested_share is None or all(low <= requested_share <= high for low, high in intervals)
        figures = [
            f"{hits} of {trials}: {low:.2%} to {high:.2%}"
            for (hits, trials), (low, high) in zip((kernel, user), intervals, strict=True)
        ]
        requested = "" if requested_share is None else f", requested {requested_share:.4g}"
        return _finding(
            pair,
            what,
            (figures[0], figures[1]),
            f"Fisher{requested}",
            fisher(*kernel, *user),
            as_requested=inside,
        )

    return compare


def _lag(pair: Pair, what: Compared) -> Finding:
    values = [(lag_correlation(sample.known_ms), len(sample.known_ms)) for sample in (pair.kernel, pair.user)]
    (kernel, size), (user, other_size) = values
    z = (atanh(kernel) - atanh(user)) / sqrt(1 / (size - 3) + 1 / (other_size - 3))
    return _finding(pair, what, (f"{kernel:+.3f}", f"{user:+.3f}"), f"z = {z:+.2f}", erfc(abs(z) / sqrt(2)))


def _least(pair: Pair, what: Compared) -> Finding:
    kernel, user = (float(np.percentile(sample.known_ms, 1)) for sample in (pair.kernel, pair.user))
    same = abs(kernel - user) <= LEAST_MS
    statistic = f"{user - kernel:+.3f} ms, at most {LEAST_MS}"
    return Finding(pair.row.text, what, f"{kernel:.3f} ms", f"{user:.3f} ms", statistic, None, same)


def _spacing(pair: Pair, what: Compared) -> Finding:
    kernel, user = (spacing_ms(sample.left_ms) for sample in (pair.kernel, pair.user))
    same = abs(user / kernel - 1) <= SPACING_SHARE
    statistic = f"ratio {user / kernel:.4f}, within {SPACING_SHARE:.1%}"
    return Finding(pair.row.text, what, f"{kernel:.3f} ms", f"{user:.3f} ms", statistic, None, same)


def _lost(sample: Sample) -> tuple[int, int]:
    return int(np.count_nonzero(~sample.arrived)), len(sample.arrived)


def _doubled(sample: Sample) -> tuple[int, int]:
    return int(np.count_nonzero(sample.copies > 1)), len(sample.copies)


def _damaged(sample: Sample) -> tuple[int, int]:
    """Count also packets that did not arrive because of a damaged header."""
    return int(np.count_nonzero(sample.damaged | ~sample.arrived)), len(sample.arrived)


def _overtook(pair: Pair, what: Compared) -> Finding:
    """Return which packets were not delayed, that is by less than half of the requested delay."""
    delay = parse(pair.row.text).delay
    assert delay is not None
    half_ms = delay.delay_ns / 2e6
    return _count(lambda sample: (int(np.count_nonzero(sample.known_ms < half_ms)), len(sample.known_ms)))(pair, what)


_JUDGES: Final[dict[Compared, Callable[[Pair, Compared], Finding]]] = {
    "delays": _delays,
    "least": _least,
    "lag": _lag,
    "spacing": _spacing,
    "lost": _count(_lost),
    "doubled": _count(_doubled),
    "damaged": _count(_damaged),
    "overtook": _overtook,
    "after a loss": _count(lambda sample: after(sample.arrived, loss=True)),
    "after none": _count(lambda sample: after(sample.arrived, loss=False)),
    "bursts": _distribution(lambda sample: bursts(sample.arrived), " packets"),
    "pauses": _distribution(lambda sample: bunches(sample.left_ms)[1], " ms"),
    "bunches": _distribution(lambda sample: bunches(sample.left_ms)[0], " packets"),
}
