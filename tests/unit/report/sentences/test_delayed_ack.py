from testbed.analysis.findings.delayed_ack import DelayedAcks
from testbed.report.sentences.registry import words


def test_delayed_acknowledgements() -> None:
    assert words(DelayedAcks(7, 15, 0.041626, 0)) == (
        "7 of 15 data frames (47 %) were acknowledged late, after 41.6 ms (median): delayed acknowledgements, which "
        "the receiver's kernel holds back for about 40 ms."
    )
    assert words(DelayedAcks(1, 26, 0.04, 0)).startswith("1 of 26 data frames (4 %) was acknowledged late, after 40 ms")
    assert words(DelayedAcks(7, 15, 0.041626, 1)).endswith(
        "In 1 case the sender sent nothing until the acknowledgement came."
    )
