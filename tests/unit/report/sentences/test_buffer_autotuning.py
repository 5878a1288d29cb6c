import pytest

from testbed.analysis.findings.buffer_autotuning import BufferAutotuning, BufferNotSampled, BufferSize
from testbed.report.sentences.registry import words


def test_both_buffers() -> None:
    fact = BufferAutotuning(BufferSize.GREW, 16_384, 262_144, BufferSize.NOT_READ, 131_072, 131_072)
    assert words(fact) == (
        "The sender's buffer grew from 16 384 B to 262 144 B, as its congestion window grew; the receiver's buffer "
        "stayed at 131 072 B: it grows only for a program that reads."
    )


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (BufferSize.LOCKED_AT_TWICE, "is 16 384 B, twice what the program requested, and locked."),
        (BufferSize.LOCKED_AT_MAXIMUM, "is 16 384 B, the most that this kernel gives to a program that requests more,"),
        (BufferSize.LOCKED_AT_MINIMUM, "is 16 384 B, the least that this kernel gives, and locked."),
        (BufferSize.STAYED, "stayed at 16 384 B while it was sampled."),
        (BufferSize.GREW_BEFORE, "had grown to 16 384 B when it was first sampled."),
        (BufferSize.SUFFICED, "stayed at 16 384 B: it sufficed."),
    ],
)
def test_one_buffer(size: BufferSize, sentence: str) -> None:
    fact = BufferAutotuning(rcvbuf=size, rcvbuf_first_bytes=16_384, rcvbuf_max_bytes=16_384)
    assert words(fact).startswith(f"The receiver's buffer {sentence}")


def test_what_was_not_sampled() -> None:
    assert words(BufferNotSampled("server", "rcvbuf")) == "the server's rcvbuf"
