"""Loss models: `sch_netem.c loss_event`, `loss_4state`, `loss_gilb_ell` as of Linux 6.18."""

from random import Random
from typing import Protocol

from netem.pipeline.correlation import Source, source
from netem.pipeline.packet import Packet
from netem.pipeline.stage import StageContext, State
from netem.spec.model import GilbertElliottLoss, RandomLoss, StateLoss
from netem.spec.quantity import fixed_point

_MAX = 2**32 - 1
_GOOD_GAP, _GOOD_BURST, _LOST_BURST, _LOST_GAP = 1, 2, 3, 4


class Model(Protocol):
    """Decides which packets are lost."""

    def lost(self) -> bool:
        """Return whether the next packet is lost."""

    def export_state(self) -> State:
        """Return kind, thresholds, state and draws for another data path (`c/loss.c`)."""

    def import_state(self, state: State) -> None:
        """Continue where another data path stopped."""


class RandomModel:
    """Independent losses, or correlated ones."""

    def __init__(self, loss: RandomLoss, rng: Random, *, true_correlation: bool) -> None:
        self._threshold = fixed_point(loss.probability)
        self._source = source(rng, loss.correlation, true_correlation=true_correlation)
        self._draw = self._source.draw

    def lost(self) -> bool:
        """Draw once, unless nothing is ever lost."""
        return self._threshold > 0 and self._threshold >= self._draw()

    def export_state(self) -> State:
        """Return the threshold and the draws."""
        return self._source.export_state() | {"model": 0, "thresholds": (self._threshold,)}

    def import_state(self, state: State) -> None:
        """Continue the draws."""
        self._source.import_state(state)


class GilbertElliottModel:
    """The two-state chain; the second draw decides by the state held before the move."""

    def __init__(self, loss: GilbertElliottLoss, rng: Random) -> None:
        self._source = Source(rng)
        self._draw = rng.getrandbits
        self._to_bad, self._to_good = fixed_point(loss.to_bad), fixed_point(loss.to_good)
        self._good_loss = fixed_point(loss.good_loss)
        self._bad_survival = _MAX - fixed_point(loss.bad_loss)
        self._bad = False

    def lost(self) -> bool:
        """Draw twice: the move and the loss."""
        if not self._bad:
            self._bad = self._draw(32) < self._to_bad
            return self._draw(32) < self._good_loss
        self._bad = not self._draw(32) < self._to_good
        return self._draw(32) > self._bad_survival

    def export_state(self) -> State:
        """Return the thresholds, the state and the draws."""
        thresholds = (self._to_bad, self._to_good, self._good_loss, self._bad_survival)
        return self._source.export_state() | {"model": 1, "thresholds": thresholds, "state": int(self._bad)}

    def import_state(self, state: State) -> None:
        """Continue the chain."""
        self._source.import_state(state)
        self._bad = bool(state["state"])


class StateModel:
    """The four-state chain: good, good within a burst, lost within a burst, lost alone."""

    def __init__(self, loss: StateLoss, rng: Random) -> None:
        self._source = Source(rng)
        self._draw = rng.getrandbits
        self._thresholds = p13, p31, p32, p23, p14 = tuple(
            fixed_point(share) for share in (loss.p13, loss.p31, loss.p32, loss.p23, loss.p14)
        )
        self._moves = {
            _GOOD_GAP: ((p14, _LOST_GAP), (p14 + p13, _LOST_BURST)),
            _GOOD_BURST: ((p23, _LOST_BURST),),
            _LOST_BURST: ((p32, _GOOD_BURST), (p32 + p31, _GOOD_GAP)),
            _LOST_GAP: ((_MAX + 1, _GOOD_GAP),),
        }
        self._state = _GOOD_GAP

    def lost(self) -> bool:
        """Draw once: the move; the new state decides."""
        drawn = self._draw(32)
        self._state = next((target for bound, target in self._moves[self._state] if drawn < bound), self._state)
        return self._state in (_LOST_BURST, _LOST_GAP)

    def export_state(self) -> State:
        """Return the thresholds, the state and the draws."""
        return self._source.export_state() | {"model": 2, "thresholds": self._thresholds, "state": self._state}

    def import_state(self, state: State) -> None:
        """Continue the chain."""
        self._source.import_state(state)
        self._state = state["state"]


def build_model(context: StageContext) -> Model:
    """Return the model that the impairment names."""
    loss = context.impairment.loss or RandomLoss(0.0)
    if isinstance(loss, StateLoss):
        return StateModel(loss, context.rng)
    if isinstance(loss, GilbertElliottLoss):
        return GilbertElliottModel(loss, context.rng)
    return RandomModel(loss, context.rng, true_correlation=context.impairment.extension.true_correlation)


class LossStage:
    """Drop one copy when the model loses the packet."""

    def __init__(self, context: StageContext) -> None:
        model = build_model(context)
        self._lost = model.lost
        self.export_state, self.import_state = model.export_state, model.import_state

    def apply(self, packet: Packet) -> None:
        """Draw for every packet, even one that another stage already dropped, so that nothing shifts the draws."""
        if self._lost():
            packet.copies -= 1
            packet.dropped_by = packet.dropped_by or "dropped_loss"
