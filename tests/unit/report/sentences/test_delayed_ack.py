from testbed.analysis.findings.delayed_ack import DelayedAcks
from testbed.report.sentences.registry import words


def test_delayed_acknowledgements() -> None:
    assert words(DelayedAcks(7, 15, 0.041626, 0)) == (
        "7 frames of 15 with data (47 %) were acknowledged only after 41.6 ms (median): the receiver's kernel waits, "
        "about 40 ms, for its program to read or answer."
    )
    assert words(DelayedAcks(7, 15, 0.041626, 1)).endswith(
        "In 1 case the sender sent nothing until the acknowledgement came."
    )
