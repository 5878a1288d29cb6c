"""Sentences about buffers that the kernels enlarged, or did not."""

from typing import Final

from testbed.analysis.findings.buffer_autotuning import BufferAutotuning, BufferNotSampled, BufferSize
from testbed.report.sentences.wording import Sentences, sentence_of
from testbed.units import format_bytes

WHY: Final = {
    BufferSize.LOCKED_AT_TWICE: ", twice what the program requested, and locked",
    BufferSize.LOCKED_AT_MAXIMUM: ", the most that this kernel gives to a program that requests more, and locked",
    BufferSize.LOCKED_AT_MINIMUM: ", the least that this kernel gives, and locked",
    BufferSize.STAYED: " while it was sampled",
    BufferSize.GREW_BEFORE: " when it was first sampled",
    BufferSize.NOT_READ: ": it grows only for a program that reads",
    BufferSize.SUFFICED: ": it sufficed",
}
LOCKED: Final = (BufferSize.LOCKED_AT_TWICE, BufferSize.LOCKED_AT_MAXIMUM, BufferSize.LOCKED_AT_MINIMUM)


def buffer_autotuning(fact: BufferAutotuning) -> str:
    """Return how both buffers changed."""
    parts = []
    if fact.sndbuf is not None:
        why = "as its congestion window grew"
        parts.append(_part("the sender's", fact.sndbuf, fact.sndbuf_first_bytes, fact.sndbuf_max_bytes, why))
    if fact.rcvbuf is not None:
        why = "as the program read fast enough to need more"
        parts.append(_part("the receiver's", fact.rcvbuf, fact.rcvbuf_first_bytes, fact.rcvbuf_max_bytes, why))
    return sentence_of("; ".join(parts))


def _part(whose: str, size: BufferSize, first: int | None, most: int | None, why_grew: str) -> str:
    largest = format_bytes(most or 0)
    if size is BufferSize.GREW:
        return f"{whose} buffer grew from {format_bytes(first or 0)} to {largest}, {why_grew}"
    verb = "is" if size in LOCKED else "had grown to" if size is BufferSize.GREW_BEFORE else "stayed at"
    return f"{whose} buffer {verb} {largest}{WHY[size]}"


def buffer_not_sampled(fact: BufferNotSampled) -> str:
    """Return whose buffer it is."""
    return f"the {fact.role}'s {fact.field}"


SENTENCES: Final[Sentences] = {BufferAutotuning: buffer_autotuning, BufferNotSampled: buffer_not_sampled}
