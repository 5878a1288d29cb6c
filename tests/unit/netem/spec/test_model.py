from dataclasses import FrozenInstanceError

import pytest

from netem.spec.errors import SpecError
from netem.spec.model import Delay, Extension, Impairment, RandomLoss, Rate, Reorder, Slot


@pytest.mark.parametrize(
    "build",
    [
        lambda: Delay(-1),
        lambda: Delay(1, 2**31),
        lambda: Delay(1, 0, 1.5),
        lambda: Delay(0, 5, 0.0, "normal"),
        lambda: RandomLoss(1.01),
        lambda: Rate(0),
        lambda: Rate(8, 0, 10, -10),
        lambda: Reorder(0.1, 0.0, 0),
        lambda: Slot(2, 1),
        lambda: Slot(1, 1, "normal", 1, 1),
        lambda: Slot(delay_ns=5),
        lambda: Slot(distribution="normal", delay_ns=5),
        lambda: Extension(drop_list=((3, 2),)),
        lambda: Impairment(ecn=True),
        lambda: Impairment(reorder=Reorder(0.1)),
        lambda: Impairment(limit_packets=-1),
        lambda: Impairment(seed=2**64),
        lambda: Impairment(rate=Rate(8), extension=Extension(trace="cable")),
    ],
)
def test_invalid_models(build) -> None:
    with pytest.raises(SpecError):
        build()


def test_it_is_frozen_and_hashable() -> None:
    impairment = Impairment(delay=Delay(5))
    with pytest.raises(FrozenInstanceError):
        impairment.ecn = True
    assert hash(impairment) == hash(Impairment(delay=Delay(5)))
