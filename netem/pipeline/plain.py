"""The impairments that need no stage: every frame is held equally long, or not at all."""

from dataclasses import dataclass

from netem.pipeline.registry import STAGES
from netem.spec.kernel import limit_packets
from netem.spec.model import Impairment


@dataclass(frozen=True, slots=True)
class Plain:
    """All that a data path must know of such an impairment."""

    delay_ns: int
    limit_packets: int
    exempts_nd: bool


def plain(impairment: Impairment) -> Plain | None:
    """Return what a plain impairment does, None when it takes more than a delay and a limit."""
    delay = impairment.delay
    if impairment.slot is not None or impairment.extension.filter is not None or (delay and delay.jitter_ns):
        return None
    needed = {name for name, kind in STAGES.items() if kind.part(impairment) is not None}
    if not needed <= {"delay", "limit"}:
        return None
    return Plain(delay.delay_ns if delay else 0, limit_packets(impairment), not impairment.extension.impair_nd)
