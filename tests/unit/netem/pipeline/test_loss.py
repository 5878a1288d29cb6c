from itertools import groupby, pairwise
from random import Random
from statistics import fmean

import pytest

from netem.pipeline.loss import GilbertElliottModel, Model, RandomModel, StateModel
from netem.spec.model import GilbertElliottLoss, RandomLoss, StateLoss
from tests.support.frames import send_numbered

PACKETS = 200_000
Z = 4.0  # standard errors


def outcomes(model: Model) -> list[bool]:
    return [model.lost() for _ in range(PACKETS)]


def bursts(lost: list[bool]) -> list[int]:
    return [len(list(run)) for hit, run in groupby(lost) if hit]


def within(share: float, memory: float = 0.0) -> float:
    """Return Z standard errors of a share; `memory` is the lag-1 correlation of the process."""
    return Z * (share * (1 - share) / PACKETS * (1 + memory) / (1 - memory)) ** 0.5


@pytest.mark.parametrize("probability", [0.0, 0.001, 0.01, 0.3, 1.0])
def test_random_loss(probability: float) -> None:
    lost = outcomes(RandomModel(RandomLoss(probability), Random(1), true_correlation=False))
    assert fmean(lost) == pytest.approx(probability, abs=within(probability))


def test_random_losses_come_alone() -> None:
    lost = outcomes(RandomModel(RandomLoss(0.1), Random(1), true_correlation=False))
    lengths = bursts(lost)
    assert fmean(lengths) == pytest.approx(1 / 0.9, abs=Z * (0.1**0.5 / 0.9) / len(lengths) ** 0.5)


@pytest.mark.parametrize(
    ("probability", "rho", "effective"), [(0.1, 0.25, 0.017), (0.25, 0.25, 0.167), (0.1, 0.5, 0.001)]
)
def test_the_kernels_correlation_drops_less_than_requested(probability: float, rho: float, effective: float) -> None:
    lost = outcomes(RandomModel(RandomLoss(probability, rho), Random(1), true_correlation=False))
    assert fmean(lost) == pytest.approx(effective, rel=0.06, abs=0.0005)


@pytest.mark.parametrize(("probability", "rho"), [(0.01, 0.25), (0.1, 0.25), (0.1, 0.5), (0.3, 0.8)])
def test_true_correlation_has_the_requested_mean_and_lag(probability: float, rho: float) -> None:
    lost = outcomes(RandomModel(RandomLoss(probability, rho), Random(1), true_correlation=True))
    share = fmean(lost)
    assert share == pytest.approx(probability, abs=within(probability, rho))
    both = fmean(a and b for a, b in pairwise(lost))
    assert (both - share**2) / (share * (1 - share)) == pytest.approx(rho, abs=0.04)
    lengths = bursts(lost)
    end = (1 - rho) * (1 - probability)  # a burst ends with the first new draw that is no loss
    assert fmean(lengths) == pytest.approx(1 / end, abs=Z * ((1 - end) ** 0.5 / end) / len(lengths) ** 0.5)


@pytest.mark.parametrize(
    ("p", "r", "bad", "good"), [(0.01, 0.25, 1.0, 0.0), (0.05, 0.5, 0.7, 0.01), (0.3, 0.1, 1.0, 0.0)]
)
def test_gilbert_elliott(p: float, r: float, bad: float, good: float) -> None:
    lost = outcomes(GilbertElliottModel(GilbertElliottLoss(p, r, bad, good), Random(1)))
    expected = (p * bad + r * good) / (p + r)
    assert fmean(lost) == pytest.approx(expected, abs=within(expected, 1 - p - r))
    if (bad, good) == (1.0, 0.0):
        lengths = bursts(lost)
        assert fmean(lengths) == pytest.approx(1 / r, abs=Z * ((1 - r) ** 0.5 / r) / len(lengths) ** 0.5)


def stationary(loss: StateLoss) -> list[float]:
    """Return the long-run shares of the four states, by iterating the matrix of the chain."""
    matrix = [
        [1 - loss.p13 - loss.p14, 0.0, loss.p13, loss.p14],
        [0.0, 1 - loss.p23, loss.p23, 0.0],
        [loss.p31, loss.p32, 1 - loss.p31 - loss.p32, 0.0],
        [1.0, 0.0, 0.0, 0.0],
    ]
    shares = [0.25] * 4
    for _ in range(10_000):
        shares = [sum(shares[i] * matrix[i][j] for i in range(4)) for j in range(4)]
    return shares


@pytest.mark.parametrize(
    "loss",
    [
        StateLoss(0.01, 0.99),
        StateLoss(0.02, 0.3),
        StateLoss(0.05, 0.2, 0.1, 0.5, 0.01),
        StateLoss(0.0, 1.0, 0.0, 1.0, 0.05),
    ],
)
def test_four_states(loss: StateLoss) -> None:
    lost = outcomes(StateModel(loss, Random(1)))
    _, _, burst, alone = stationary(loss)
    assert fmean(lost) == pytest.approx(burst + alone, abs=within(burst + alone, 0.8))


def test_a_two_state_chain_has_bursts_of_one_over_p31() -> None:
    lengths = bursts(outcomes(StateModel(StateLoss(0.02, 0.25), Random(1))))
    assert fmean(lengths) == pytest.approx(4.0, abs=Z * (0.75**0.5 / 0.25) / len(lengths) ** 0.5)


def test_what_is_lost_is_counted_as_lost_by_the_model() -> None:
    pipeline, left = send_numbered("loss 50%", 2000)
    counters = pipeline.stats().counters
    assert counters.dropped_loss == 2000 - len(left) > 0
    assert counters.dropped_limit == counters.dropped_list == counters.dropped_blackhole == 0


def test_a_packet_lost_and_duplicated_is_sent_once() -> None:
    pipeline, left = send_numbered("duplicate 100% loss 100%", 10)
    # the original survives by its copy, which is not made: netem counts copies
    assert [number for _, number in left] == list(range(10))
    assert pipeline.stats().counters.duplicated == 0
