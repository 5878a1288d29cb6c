# ruff: noqa: E501 - a row is a case
from dataclasses import replace

import pytest

from testbed.analysis.findings.handshake import Attempt, Outcome
from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.path import PathCause
from testbed.analysis.findings.sender_limit import SenderLimit
from testbed.analysis.findings.verdict import Answer, Transferred, Verdict
from testbed.analysis.findings.window_closed import WindowClosed
from testbed.analysis.packets.zero_window import ZeroWindowCause
from testbed.report.sentences.verdict import verdict_sentence

LIMIT = SenderLimit(Limit.NETWORK, 4.0, 4.0, 0.1, 0.05, 0.0, 0.95, 0.0, 0.0, acknowledged=True)
DONE = Transferred(60_000, 0.4, acknowledged=True, closed_s=0.0, duration_s=2.0)


def limited(**changes: object) -> str:
    return verdict_sentence(Verdict(Answer.LIMITED, transferred=DONE, limit=replace(LIMIT, **changes)))


def test_nothing_observed() -> None:
    assert verdict_sentence(None) == ""


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (Attempt("client"), "No connection was established and no data was sent."),
        (Attempt("client", 1, Outcome.REFUSED), "the client sent a SYN once and was refused (RST)."),
        (Attempt("client", 3, Outcome.NO_ANSWER), "the client sent a SYN 3 times and got no answer."),
        (Attempt("client", 3, Outcome.ANSWER_LOST), "although the other end sent one: it was lost on the link."),
    ],
)
def test_no_connection(attempt: Attempt, sentence: str) -> None:
    assert verdict_sentence(Verdict(Answer.NO_CONNECTION, attempt=attempt)).endswith(sentence)


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, "The network limits the transfer, not the receiver (95 % of the 4 s of sending); 60 000 B took 2 s, 30 kB/s."),
        ({"path_causes": (PathCause.LOST_WINDOW_UPDATE,)}, "The network limits the transfer, not the receiver: the window update is lost ("),
        ({"path_causes": (PathCause.MACHINE,)}, "The speed of the machine limits the transfer, not the window or the link ("),
        ({"receiver_share": 0.3, "network_share": 0.7}, "The network limits the transfer (70 % of the 4 s of sending; for another 30 % the receiver reads too slowly)"),
        ({"limited_by": Limit.WINDOW, "window_share": 0.95, "network_share": 0.0}, "The receive window is too small for the round trip and limits the sender, though the reader keeps up ("),
        ({"limited_by": Limit.RECEIVER, "receiver_share": 0.5, "window_share": 0.4}, "The receiver reads too slowly and its window is too small for the round trip: together they limit the sender (50 % and 40 % of the 4 s of sending)"),
    ],
)  # fmt: skip
def test_the_limit(changes: dict[str, object], start: str) -> None:
    assert limited(**changes).startswith(start)


@pytest.mark.parametrize(
    ("periods", "sentence"),
    [
        (1, ". The receive window closed once, after 100 ms, for 1.5 s."),
        (6, ". The receive window first closed after 100 ms and was closed for 1.5 s in total, 6 times."),
    ],
)
def test_a_closed_window(periods: int, sentence: str) -> None:
    window = WindowClosed(1.5, periods, 0.3, 0.4, 0.1, 12, ZeroWindowCause.FILLED)
    assert verdict_sentence(Verdict(Answer.WINDOW_CLOSED, transferred=DONE, window=window)).endswith(sentence)


def test_what_was_not_acknowledged() -> None:
    broken = replace(DONE, acknowledged=False)
    assert verdict_sentence(Verdict(Answer.NOT_COUNTED, transferred=broken)).startswith(
        "Of 60 000 B to be sent, not all was acknowledged within 400 ms; the receive window never closed."
    )


def test_a_reader_that_goes_on() -> None:
    lag = replace(DONE, lag_s=1.0)
    assert verdict_sentence(Verdict(Answer.LIMITED, transferred=lag, limit=LIMIT)).endswith(
        ". The reader needed another 1 s to read what was left in the receiver's buffer."
    )


@pytest.mark.parametrize(
    ("answer", "transferred", "sentence"),
    [
        (Answer.NOT_LIMITED, DONE, "Nothing limited the sender for long: 60 000 B were acknowledged within 400 ms and the receive window never closed."),
        (Answer.BRIEFLY_CLOSED, replace(DONE, closed_s=0.1), "60 000 B were acknowledged within 400 ms; the receive window was closed for 100 ms of that."),
        (Answer.NOT_COUNTED, DONE, "60 000 B were acknowledged within 400 ms; the receive window never closed. Packets alone do not show what else the sender waited for."),
        (Answer.BUFFERED, replace(DONE, lag_s=1.6), "The sender never waited for the reader: 60 000 B were acknowledged within 400 ms and the receiver's buffer took them. The slow reader needed another 1.6 s to read what was left."),
        (Answer.BUFFERED, replace(DONE, lag_s=1.6, unfinished_read_bytes=30_000), "left data in it: 30 000 B of 60 000 B had been read after 2 s."),
    ],
)  # fmt: skip
def test_without_a_limit(answer: Answer, transferred: Transferred, sentence: str) -> None:
    assert verdict_sentence(Verdict(answer, transferred=transferred)).endswith(sentence)
