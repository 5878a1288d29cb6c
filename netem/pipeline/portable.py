"""Which impairments another data path than the pipeline can apply, from the numbers of the portable stages."""

from netem.pipeline.registry import STAGES
from netem.spec.model import Impairment


def is_portable(impairment: Impairment) -> bool:
    """Return whether all stages are portable and nothing but stages is needed."""
    if impairment.slot is not None or impairment.extension.filter is not None:
        return False
    return all(spec.portable for spec in STAGES.values() if spec.config(impairment) is not None)
