# ruff: noqa: E501 - a row is a case
from dataclasses import replace

import pytest

from testbed.analysis.findings.retransmissions import ArrivedTwice, CaptureShowsMore, LossCause, Retransmissions
from testbed.report.sentences.registry import words

FACT = Retransmissions(4, LossCause.SPURIOUS, data_segments=40)


def test_spurious_ones() -> None:
    assert words(FACT) == (
        "4 segments were retransmitted (10 % of 40): the receiver had all of them already and reported so (D-SACK); no "
        "data was lost. Their acknowledgements were late, or the segments came out of order."
    )
    one = replace(FACT, retransmissions=1, data_segments=None)
    assert words(one).startswith("1 segment was retransmitted: the receiver had it already")
    assert words(one).endswith("Its acknowledgement was late, or the segments came out of order.")
    assert words(replace(one, tail_loss_probes=1)).endswith(
        "Tail loss probes cause this: they go out when an acknowledgement is delayed."
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cause": LossCause.UNKNOWN}, "packets alone do not show whether data was lost, or only acknowledged late."),
        ({"cause": LossCause.LATE}, "the link lost none, but segments that are late or out of order are taken for lost."),
        ({"cause": LossCause.SOME_LOST, "rto_count": 1}, "some of them were lost; the retransmission timer expired once."),
        ({"cause": LossCause.NETWORK}, "the network lost or delayed them."),
        ({"cause": LossCause.LINK, "lost_on_link_from_client": 5}, "the link lost 5 frames from the client."),
        (
            {"cause": LossCause.LINK, "lost_on_link_from_client": 5, "lost_on_link_from_server": 1, "link_corrupts": True},
            "the link lost or corrupted 5 frames from the client and 1 frame from the server.",
        ),
    ],
)  # fmt: skip
def test_causes(changes: dict[str, object], why: str) -> None:
    assert words(replace(FACT, **changes)).endswith(f": {why}")


def test_what_contradicts_it() -> None:
    assert words(ArrivedTwice(2)) == "2 of them arrived twice: they were retransmitted spuriously"
    assert words(CaptureShowsMore(3, 1)) == "the capture shows 3 retransmitted frames, the kernel counts 1 segment"
