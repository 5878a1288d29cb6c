"""Impairments that do nothing at the moment: their frames need not leave the kernel."""

from netem.pipeline import wants_segments
from netem.pipeline.registry import STAGES
from netem.spec import Impairment, limit_packets


def is_plain(impairment: Impairment) -> bool:
    """Return whether every frame would leave at once, unchanged and undecided upon, whatever a filter selects."""
    stages = {name for name, spec in STAGES.items() if spec.config(impairment) is not None}
    if not stages <= {"delay", "limit"} or impairment.slot is not None or wants_segments(impairment):
        return False
    delay = impairment.delay
    return (delay is None or not (delay.delay_ns or delay.jitter_ns)) and limit_packets(impairment) > 0
