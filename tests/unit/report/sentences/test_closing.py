# ruff: noqa: E501 - a row is a case
from dataclasses import replace

import pytest

from testbed.analysis.findings.closing import ClosedByReceiver, ClosedEarly, NotClosed, Regular, Reset, StrayReset
from testbed.analysis.findings.measured import Fact
from testbed.report.sentences.registry import words

BY_RECEIVER = ClosedByReceiver(1, 0, "server", "client", acknowledged=False, unread_bytes=800)


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (StrayReset(1, "client"), "Both ends closed the connection with FIN; the client afterwards answered late or duplicate segments with RST, which is harmless."),
        (Reset(1, "server", by_sender=False, unread_bytes=800), "The server reset the connection (RST) with 800 B in its queue that its program never read."),
        (Reset(1, "client", by_sender=True, unread_bytes=800), "The client reset the connection (RST)."),
        (NotClosed(), "The connection was not closed while it was observed: the capture has neither FIN nor RST."),
        (BY_RECEIVER, "The server closed the connection with FIN before all data was acknowledged, with 800 B that its program never read; the client did not close it while it was observed."),
        (replace(BY_RECEIVER, acknowledged=True), "The server closed the connection with FIN with 800 B that its program never read; the client did not close it while it was observed."),
        (ClosedEarly(2.97, 0.594, 1.97), "The sender's program closed the connection 2.97 s before the receiver had read everything (59 % of the time); the FIN itself waited 1.97 s behind the data in the queue; queued data is still delivered."),
        (Regular(None, late=True), "the sender ended the stream when nearly all was read, and both ends closed with FIN"),
        (Regular("server", late=False), "the server did not close the connection while it was observed"),
    ],
)  # fmt: skip
def test_how_it_ended(fact: Fact, sentence: str) -> None:
    assert words(fact) == sentence
