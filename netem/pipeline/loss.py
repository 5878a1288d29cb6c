"""Loss models: `sch_netem.c loss_event`, `loss_4state`, `loss_gilb_ell` as of Linux 6.18."""

from collections.abc import Callable
from random import Random

from netem.pipeline.correlation import source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext
from netem.spec.model import GilbertElliottLoss, RandomLoss, StateLoss
from netem.spec.quantity import fixed_point

Model = Callable[[], bool]
"""Return whether the next packet is lost."""

_MAX = 2**32 - 1
_GOOD_GAP, _GOOD_BURST, _LOST_BURST, _LOST_GAP = 1, 2, 3, 4


def random_model(loss: RandomLoss, rng: Random, *, true_correlation: bool) -> Model:
    """Return independent losses, or correlated ones."""
    threshold = fixed_point(loss.probability)
    draw = source(rng, loss.correlation, true_correlation=true_correlation)
    return lambda: threshold > 0 and threshold >= draw()


def gilbert_elliott_model(loss: GilbertElliottLoss, rng: Random) -> Model:
    """Return the two-state chain; the second draw decides by the state held before the move."""
    bits = rng.getrandbits
    to_bad, to_good = fixed_point(loss.to_bad), fixed_point(loss.to_good)
    good_loss = fixed_point(loss.good_loss)
    bad_survival = _MAX - fixed_point(loss.bad_loss)
    bad = False

    def lost() -> bool:
        nonlocal bad
        if not bad:
            bad = bits(32) < to_bad
            return bits(32) < good_loss
        bad = not bits(32) < to_good
        return bits(32) > bad_survival

    return lost


def state_model(loss: StateLoss, rng: Random) -> Model:
    """Return the four-state chain: good, good within a burst, lost within a burst, lost alone."""
    bits = rng.getrandbits
    p13, p31, p32 = fixed_point(loss.p13), fixed_point(loss.p31), fixed_point(loss.p32)
    p23, p14 = fixed_point(loss.p23), fixed_point(loss.p14)
    moves = {
        _GOOD_GAP: ((p14, _LOST_GAP), (p14 + p13, _LOST_BURST)),
        _GOOD_BURST: ((p23, _LOST_BURST),),
        _LOST_BURST: ((p32, _GOOD_BURST), (p32 + p31, _GOOD_GAP)),
        _LOST_GAP: ((_MAX + 1, _GOOD_GAP),),
    }
    state = _GOOD_GAP

    def lost() -> bool:
        nonlocal state
        drawn = bits(32)
        state = next((target for bound, target in moves[state] if drawn < bound), state)
        return state in (_LOST_BURST, _LOST_GAP)

    return lost


def build_model(context: StageContext) -> Model:
    """Return the model that the impairment names."""
    loss = context.impairment.loss or RandomLoss(0.0)
    if isinstance(loss, StateLoss):
        return state_model(loss, context.rng)
    if isinstance(loss, GilbertElliottLoss):
        return gilbert_elliott_model(loss, context.rng)
    return random_model(loss, context.rng, true_correlation=context.impairment.extension.true_correlation)


class LossStage:
    """Drop one copy when the model loses the packet."""

    def __init__(self, context: StageContext) -> None:
        self._lost = build_model(context)

    def apply(self, packet: Packet) -> None:
        """Draw for every packet, even one that another stage already dropped, so that nothing shifts the draws."""
        if self._lost():
            packet.copies -= 1
            packet.dropped_by = packet.dropped_by or "dropped_loss"
