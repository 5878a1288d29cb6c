from dataclasses import replace

import pytest

from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.path import PathCause
from testbed.analysis.findings.sender_limit import KernelCountsWindow, SenderLimit, TooShort
from testbed.report.sentences.registry import words

FACT = SenderLimit(
    limited_by=Limit.RECEIVER,
    sending_s=4.0,
    busy_s=4.0,
    receive_window_share=0.9,
    receiver_share=0.7,
    window_share=0.05,
    network_share=0.25,
    send_buffer_share=0.0,
    application_share=0.0,
    acknowledged=True,
)


def test_the_limit_and_what_else_took_long() -> None:
    assert words(FACT) == (
        "The receiver limited the sender: for 70 % of the 4 s until the last byte was acknowledged, it had data to "
        "send and the receiver, whose queue was not read fast enough, advertised no more window. For another 25 %, "
        "it had data and permission to send and waited for the path: its rate, its delay or its losses."
    )
    assert "until the transfer was broken off" in words(replace(FACT, acknowledged=False))


@pytest.mark.parametrize(
    ("causes", "figures", "clause"),
    [
        ([PathCause.QUEUE], {"queued_rtt_ms": 200.0, "idle_rtt_ms": 20.0}, "(the round trip took 200 ms, 20 ms when"),
        ([PathCause.LOSSES], {"lost_segments": 3, "data_segments": 60}, "(3 of 60 segments had to be retransmitted)"),
        ([PathCause.LOSSES], {"lost_segments": 0}, "(it waited for a retransmission time-out)"),
        ([PathCause.LOST_WINDOW_UPDATE], {"window_update_lost_s": 0.9}, "the window update was lost, and for 900 ms"),
        ([PathCause.LATE, PathCause.MACHINE], {}, "delayed by about 40 ms and it waited for acknowledgements over"),
        ([PathCause.ROUND_TRIP], {"rtt_ms": 21.0}, "waited a round trip of 21 ms for it"),
        ([PathCause.PACED], {"rtt_ms": 21.0}, "paced the segments; a round trip took 21 ms"),
        ([PathCause.DELAY], {"rtt_ms": 150.0}, "a round trip takes 150 ms"),
    ],
)
def test_why_the_path_was_waited_for(causes: list[PathCause], figures: dict[str, float], clause: str) -> None:
    fact = replace(FACT, limited_by=Limit.NETWORK, path_causes=tuple(causes), **figures)
    assert clause in words(fact)


def test_reasons_and_contradictions() -> None:
    assert words(TooShort(0.02)) == "20 ms of sending is too short to show what limited the sender"
    assert words(KernelCountsWindow(0.4)).startswith("the kernel counts 40 % of the time as limited by the window")
