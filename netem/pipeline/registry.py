"""The one list of impairments, in the order in which `sch_netem.c netem_enqueue` applies them.

    arrival -> ADMISSION (how many copies) -> ENTRY (the bits, the room) -> TIMING (when) -> queue -> slot

The copy that `duplicate` makes goes its own way from ADMISSION on, without the stages that see originals only.
"""

from netem.pipeline.blackhole import BlackholeStage
from netem.pipeline.corrupt import CorruptStage
from netem.pipeline.delay import DelayStage
from netem.pipeline.drop_list import DropList
from netem.pipeline.duplicate import DuplicateStage
from netem.pipeline.ecn import EcnStage
from netem.pipeline.keep_order import KeepOrder
from netem.pipeline.limit import LimitStage
from netem.pipeline.loss import LossStage
from netem.pipeline.rate import RateStage
from netem.pipeline.reorder import ReorderStage
from netem.pipeline.stage import Kind
from netem.pipeline.trace import TraceStage
from netem.spec.kernel import limit_packets

ADMISSION = ("duplicate", "loss", "drop-list", "blackhole", "ecn")
ENTRY = ("corrupt", "limit")
TIMING = ("reorder", "delay", "rate", "trace", "keep-order")

STAGES: dict[str, Kind] = {
    "duplicate": Kind(
        lambda requested: requested.duplicate and (requested.duplicate, requested.extension.true_correlation),
        DuplicateStage,
        originals_only=True,
    ),
    "loss": Kind(
        lambda requested: requested.loss and (requested.loss, requested.extension.true_correlation), LossStage
    ),
    "drop-list": Kind(lambda requested: requested.extension.drop_list or None, DropList, originals_only=True),
    "blackhole": Kind(lambda requested: requested.extension.blackholes or None, BlackholeStage, originals_only=True),
    "ecn": Kind(lambda requested: requested.ecn or None, EcnStage),
    "corrupt": Kind(
        lambda requested: requested.corrupt and (requested.corrupt, requested.extension.true_correlation), CorruptStage
    ),
    "limit": Kind(limit_packets, LimitStage),
    "reorder": Kind(
        lambda requested: requested.reorder and (requested.reorder, requested.extension.true_correlation), ReorderStage
    ),
    "delay": Kind(
        lambda requested: requested.delay and (requested.delay, requested.extension.true_correlation), DelayStage
    ),
    "rate": Kind(lambda requested: requested.rate, RateStage),
    "trace": Kind(lambda requested: requested.extension.trace, TraceStage),
    "keep-order": Kind(lambda requested: requested.extension.keep_order or None, KeepOrder),
}
