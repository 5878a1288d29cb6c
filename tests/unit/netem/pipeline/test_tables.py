from hashlib import sha256
from statistics import NormalDist, fmean, pstdev

import pytest

from netem.pipeline.tables import SCALE, normal, pareto, paretonormal, table
from netem.spec.errors import SpecError


@pytest.mark.parametrize(
    ("make", "digest"),
    [  # of the numbers that iproute2's own generators (netem/*.c) print, joined by spaces
        (normal, "c59486ef7d9f475392acb0a04686483a237f45e57bd34c4d00302b60fb1370fd"),
        (pareto, "7b6250dae83ed8134b5192e992c488a542531c03118e79726d8726d169065dd1"),
        (paretonormal, "6b6ec6bcf481be2a4c8a189dad1bf6461272ad9e6ac81a60072b54c8aaf6a3d6"),
    ],
)
def test_the_tables_are_those_of_iproute2(make, digest: str) -> None:
    values = make()
    assert len(values) == 4096
    assert sha256(" ".join(map(str, values)).encode()).hexdigest() == digest


@pytest.mark.parametrize(
    ("make", "mean", "deviation"), [(normal, 0.0, 1.0), (pareto, -0.034, 0.82), (paretonormal, -0.025, 0.83)]
)
def test_their_mean_and_deviation(make, mean: float, deviation: float) -> None:
    values = [value / SCALE for value in make()]
    assert fmean(values) == pytest.approx(mean, abs=0.002)
    assert pstdev(values) == pytest.approx(deviation, abs=0.005)


def test_their_quantiles_are_those_of_the_formulas() -> None:
    for percent in (1, 10, 50, 90, 98):
        share = percent / 100
        index = round(share * 4096)
        assert normal()[index] / SCALE == pytest.approx(NormalDist().inv_cdf(index / 4096), abs=0.002)
        assert pareto()[index] / SCALE == pytest.approx(4 / 3 * ((1 - index / 4096) ** (-1 / 3) - 1.5), abs=0.001)


def test_names() -> None:
    assert table("normal", {}) is normal()
    assert table("mine", {"mine": (1, 2)}) == (1, 2)
    with pytest.raises(SpecError, match="not a known distribution"):
        table("mine", {})
