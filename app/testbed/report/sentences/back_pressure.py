"""Sentences about programs under back-pressure."""

from typing import Final

from testbed.analysis.findings.back_pressure import (
    BackPressureIgnored,
    BackPressureRespected,
    MemoryGrew,
    MemoryGrewLess,
    MemoryStayed,
    RespectedBy,
    TooLittleHeld,
    TooLittleSent,
)
from testbed.report.sentences.wording import Sentences
from testbed.units import format_bytes

HOW: Final = {
    RespectedBy.WAITING: "; its write() waits",
    RespectedBy.KERNEL_BUFFER: "; the kernel's buffer took everything",
}


def back_pressure_ignored(fact: BackPressureIgnored) -> str:
    """Return how much accumulates in the program."""
    return (
        f"Back-pressure is not respected: the program reports {format_bytes(fact.program_max_bytes)} as written that "
        "the kernel has not accepted. They accumulate in the program's own memory, which grows as long as the receiver "
        "is slow."
    )


def back_pressure_respected(fact: BackPressureRespected) -> str:
    """Return how the program respects it."""
    if fact.respected_by is RespectedBy.BOUNDED_BUFFER:
        held = format_bytes(fact.program_max_bytes)
        return f"Back-pressure is respected: a bounded buffer of the program holds up to {held}, then it waits."
    return (
        "Back-pressure is respected: the program reports nothing as written that the kernel has not accepted"
        f"{HOW[fact.respected_by]}."
    )


def memory_grew(fact: MemoryGrew) -> str:
    """Return by how much the memory grew."""
    return (
        "Back-pressure is probably not respected: the program's memory grew by "
        f"{format_bytes(fact.memory_growth_bytes)} while the receiver blocked the sender."
    )


def memory_stayed(fact: MemoryStayed) -> str:
    """Return by how little the memory grew."""
    return f"Back-pressure is respected: {_grew_only(fact.memory_growth_bytes)}."


def _grew_only(growth_bytes: int) -> str:
    return f"the program's memory grew by only {format_bytes(growth_bytes)}"


def memory_grew_less(fact: MemoryGrewLess) -> str:
    """Return by how little the memory grew."""
    return _grew_only(fact.memory_growth_bytes)


def too_little_held(fact: TooLittleHeld) -> str:
    """Return how little the program held."""
    held = format_bytes(fact.program_max_bytes)
    return f"the program hardly waited and held {held}: too little to show whether its buffer has a bound"


def too_little_sent(fact: TooLittleSent) -> str:
    """Return how little was sent."""
    return f"the program left no log, and memory does not show so little data: {format_bytes(fact.sent_bytes)}"


SENTENCES: Final[Sentences] = {
    BackPressureIgnored: back_pressure_ignored,
    BackPressureRespected: back_pressure_respected,
    MemoryGrew: memory_grew,
    MemoryStayed: memory_stayed,
    MemoryGrewLess: memory_grew_less,
    TooLittleHeld: too_little_held,
    TooLittleSent: too_little_sent,
}
