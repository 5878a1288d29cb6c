"""Sentences about whether every accepted byte is accounted for."""

from typing import Final

from testbed.analysis.findings.conservation import BytesConserved, BytesMissing
from testbed.report.sentences.wording import Sentences
from testbed.units import pluralize


def bytes_conserved(fact: BytesConserved) -> str:
    """Return where the sum was checked."""
    source = "bytes that write() accepted" if fact.by_log else "bytes that the kernel accepted"
    if fact.partly_written_max_bytes:
        source += " (the part of a blocked write included)"
    states = f"all {fact.stalled_states} stalled states" if fact.stalled_states > 1 else "the one stalled state"
    return (
        f"The instruments agree: in {states} ({pluralize(fact.samples, 'sample')}) the {source} are, to the byte, "
        "those read, those in the receiver's queue and those in the sender's."
    )


def bytes_missing(fact: BytesMissing) -> str:
    """Return by how much the sum is wrong."""
    return (
        f"The instruments disagree: in {pluralize(fact.violated_samples, 'sample')} of {fact.samples} in which nothing "
        f"moved, read and queued bytes differ by {fact.gap_min_bytes} to {fact.gap_max_bytes} from what was written. A "
        "sample, a call or the right connection is missing."
    )


SENTENCES: Final[Sentences] = {BytesConserved: bytes_conserved, BytesMissing: bytes_missing}
