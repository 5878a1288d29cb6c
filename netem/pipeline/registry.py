"""The registry of impairments, in the order in which `sch_netem.c netem_enqueue` applies them.

    arrival -> ADMISSION (copies) -> ENTRY (bits, room in the queue) -> TIMING (due time) -> queue -> slot

The copy that `duplicate` makes starts again at ADMISSION and skips the stages marked `originals_only`.
"""

from netem.pipeline.blackhole import BlackholeStage
from netem.pipeline.corrupt import CorruptStage
from netem.pipeline.delay import DelayStage
from netem.pipeline.drop_list import DropListStage
from netem.pipeline.duplicate import DuplicateStage
from netem.pipeline.ecn import EcnStage
from netem.pipeline.keep_order import KeepOrderStage
from netem.pipeline.limit import LimitStage
from netem.pipeline.loss import LossStage
from netem.pipeline.rate import RateStage
from netem.pipeline.reorder import ReorderStage
from netem.pipeline.stage import StageSpec
from netem.pipeline.trace import TraceStage
from netem.spec.kernel import limit_packets

ADMISSION = (
    "duplicate",
    "loss",
    "drop-list",
    "blackhole",
    "ecn",
)
ENTRY = ("corrupt", "limit")
TIMING = ("reorder", "delay", "rate", "trace", "keep-order")

STAGES: dict[str, StageSpec] = {
    "duplicate": StageSpec(
        lambda given: given.duplicate and (given.duplicate, given.extension.true_correlation),
        DuplicateStage,
        originals_only=True,
        portable=True,
    ),
    "loss": StageSpec(
        lambda given: given.loss and (given.loss, given.extension.true_correlation), LossStage, portable=True
    ),
    "drop-list": StageSpec(lambda given: given.extension.drop_list or None, DropListStage, originals_only=True),
    "blackhole": StageSpec(lambda given: given.extension.blackholes or None, BlackholeStage, originals_only=True),
    "ecn": StageSpec(lambda given: given.ecn or None, EcnStage),
    "corrupt": StageSpec(
        lambda given: given.corrupt and (given.corrupt, given.extension.true_correlation), CorruptStage
    ),
    "limit": StageSpec(limit_packets, LimitStage, portable=True),
    "reorder": StageSpec(
        lambda given: given.reorder and (given.reorder, given.extension.true_correlation), ReorderStage, portable=True
    ),
    "delay": StageSpec(
        lambda given: given.delay and (given.delay, given.extension.true_correlation), DelayStage, portable=True
    ),
    "rate": StageSpec(lambda given: given.rate, RateStage, portable=True),
    "trace": StageSpec(lambda given: given.extension.trace, TraceStage),
    "keep-order": StageSpec(lambda given: given.extension.keep_order or None, KeepOrderStage, portable=True),
}
