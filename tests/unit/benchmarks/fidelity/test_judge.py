import numpy as np

from benchmarks.fidelity.judge import Pair, judge, noise_ms
from benchmarks.fidelity.rows import Compared, Row
from benchmarks.fidelity.sample import Sample

RNG = np.random.default_rng(7)
SIZE = 10_000
QUIET, LOUD = RNG.exponential(0.1, SIZE), RNG.exponential(3, SIZE)


def sample(delays_ms: np.ndarray, loss: float = 0.0) -> Sample:
    copies = (RNG.random(SIZE) >= loss).astype(np.int64)
    delays_ms = np.where(copies > 0, delays_ms, np.nan)
    left_ms = np.sort(np.arange(SIZE) * 2 + np.nan_to_num(delays_ms))
    return Sample(delays_ms, copies, np.zeros(SIZE, dtype=bool), left_ms - left_ms[0])


def verdict(row: Row, kernel: Sample, user: Sample) -> dict[str, bool]:
    return {finding.what: finding.same for finding in judge(Pair(row, kernel, user, QUIET, LOUD))}


def test_noise_of_different_size_is_no_difference() -> None:
    row = Row("delay 100ms 10ms", ("delays", "lag"))
    kernel = sample(RNG.uniform(90, 110, SIZE) + RNG.permutation(QUIET))
    user = sample(RNG.uniform(90, 110, SIZE) + RNG.permutation(LOUD))
    assert verdict(row, kernel, user) == {"delays": True, "lag": True}


def test_another_distribution_is_a_difference() -> None:
    kernel, user = sample(RNG.uniform(90, 110, SIZE)), sample(RNG.normal(100, 6, SIZE))
    assert verdict(Row("delay 100ms 10ms", ("delays",)), kernel, user) == {"delays": False}
    walk = np.sort(RNG.uniform(90, 110, SIZE))
    assert verdict(Row("delay 100ms 10ms 50%", ("lag",)), kernel, sample(walk)) == {"lag": False}


def test_counts_must_be_equal_and_as_requested() -> None:
    what: tuple[Compared, ...] = ("lost",)
    fixed = np.full(SIZE, 20.0)
    equal = sample(fixed, 0.05), sample(fixed, 0.05)
    assert verdict(Row("loss 5%", what, {"lost": 0.05}), *equal) == {"lost": True}
    assert verdict(Row("loss 8%", what, {"lost": 0.08}), *equal) == {"lost": False}
    assert verdict(Row("loss 5%", what), sample(fixed, 0.05), sample(fixed, 0.08)) == {"lost": False}


def test_one_late_packet_is_not_reordering() -> None:
    row = Row("delay 200ms reorder 25%", ("overtook",), {"overtook": 0.25})
    kernel, user = (np.where(RNG.random(SIZE) < 0.25, 0.1, 200.5) for _ in range(2))
    user[7] = 900.0
    assert verdict(row, sample(kernel), sample(user)) == {"overtook": True}


def test_least_and_spacing_have_stated_bounds() -> None:
    row = Row("delay 20ms", ("least", "spacing"))
    early, late = sample(20 + QUIET), sample(20.4 + LOUD)
    assert verdict(row, early, late) == {"least": True, "spacing": True}
    assert verdict(row, early, sample(20.9 + LOUD))["least"] is False


def test_noise_is_what_is_added_to_the_fixed_delay() -> None:
    assert np.allclose(noise_ms(sample(20 + LOUD)), LOUD)
