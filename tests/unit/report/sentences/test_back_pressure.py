import pytest

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
from testbed.analysis.findings.measured import Fact
from testbed.report.sentences.registry import words

FIGURES = {"program_max_bytes": 60_000, "kernel_max_bytes": 16_000, "blocked_s": 0.9, "memory_growth_bytes": None}
IGNORED = (
    "the program reports 60 000 B as written that the kernel has not accepted. They accumulate in the program's own "
    "memory, which grows as long as the receiver is slow."
)
GREW = "the program's memory grew by 900 000 B while the receiver blocked the sender."
NOTHING = "the program reports nothing as written that the kernel has not accepted"


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (
            BackPressureIgnored(**FIGURES),
            f"Back-pressure is not respected: {IGNORED}",
        ),
        (
            BackPressureRespected(**FIGURES, respected_by=RespectedBy.WAITING),
            f"Back-pressure is respected: {NOTHING}; its write() waits.",
        ),
        (
            BackPressureRespected(**FIGURES, respected_by=RespectedBy.KERNEL_BUFFER),
            f"Back-pressure is respected: {NOTHING}; the kernel's buffer took everything.",
        ),
        (
            BackPressureRespected(**FIGURES, respected_by=RespectedBy.BOUNDED_BUFFER),
            "Back-pressure is respected: a bounded buffer of the program holds up to 60 000 B, then it waits.",
        ),
        (
            MemoryGrew(900_000),
            f"Back-pressure is probably not respected: {GREW}",
        ),
        (MemoryStayed(4000), "Back-pressure is respected: the program's memory grew by only 4 000 B."),
        (MemoryGrewLess(0), "the program's memory grew by only 0 B"),
        (
            TooLittleHeld(90_000),
            "the program hardly waited and held 90 000 B: too little to show whether its buffer has a bound",
        ),
        (TooLittleSent(60_000), "the program left no log, and memory does not show so little data: 60 000 B"),
    ],
)
def test_sentences(fact: Fact, sentence: str) -> None:
    assert words(fact) == sentence
