from testbed.analysis.findings.conservation import BytesConserved, BytesMissing
from testbed.report.sentences.registry import words


def test_they_agree() -> None:
    assert words(BytesConserved(6, 40, by_log=True, partly_written_max_bytes=None)) == (
        "The instruments agree: in all 6 stalled states (40 samples) the bytes that write() accepted are, "
        "to the byte, those read, those in the receiver's queue and those in the sender's."
    )
    assert (
        "in the one stalled state (1 sample) the bytes that the kernel accepted (the part of a blocked write"
        in words(BytesConserved(1, 1, by_log=False, partly_written_max_bytes=300))
    )


def test_they_disagree() -> None:
    assert words(BytesMissing(6, 40, 3, -8192, -100)).startswith(
        "The instruments disagree: in 3 samples of 40 in which nothing moved, read and queued bytes differ by -8192 to "
        "-100 from what was written."
    )
