from dataclasses import replace

import pytest

from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.write_blocked import OffPrediction, UnexplainedWait, WriteBlocked, WriteNotBlocked
from testbed.report.sentences.registry import words

BLOCKED = WriteBlocked(
    blocked_s=0.9,
    duration_s=2.1,
    blocked_share=0.43,
    blocked_writes=4,
    writes=60,
    longest_s=0.3,
    first_blocked_at_bytes=16_000,
    first_blocked_at_s=0.01,
)
NOT_BLOCKED = WriteNotBlocked(
    written_bytes=60_000, write_s=0.02, longest_s=0.001, waited_s=0.0, closed_s=1.5, window_closed=True
)


def test_where_it_stopped() -> None:
    assert words(BLOCKED) == (
        "write() was blocked for 900 ms of 2.1 s in 4 calls, the longest 300 ms; first after 16 000 B."
    )
    assert "; from the first write on." in words(replace(BLOCKED, first_blocked_at_bytes=0))
    assert words(replace(BLOCKED, waited_for=Limit.NETWORK)).endswith("the data waited for the network.")


def test_what_the_buffers_held() -> None:
    held = replace(BLOCKED, stall_bytes=26_560)
    assert words(held).endswith(". With the buffers full, 26 560 B were accepted and not yet read.")
    predicted = {"predicted_bytes": 29_553, "predicted_receiver_bytes": 15_073, "predicted_sender_bytes": 14_480}
    assert words(replace(held, **predicted)).endswith(
        "; the prediction is 29 553 B: 15 073 B in the receiver's buffer and 14 480 B in the sender's."
    )


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, "No write() was blocked: all 60 000 B were accepted within 20 ms, although the receiver's window was"),
        ({}, "closed for 1.5 s: the socket buffers of the two kernels held everything that was not read."),
        ({"waited_s": 0.044}, "write() was hardly blocked (44 ms in all): all"),
        ({"window_closed": False, "in_program_max_bytes": 300_000},
         "exhausted again and again: up to 300 000 B of them were still in the program, which buffers by itself"),
        ({"sndbuf_bytes": 46_080, "rcvbuf_bytes": 131_072, "predicted_bytes": 150_000},
         "the sender's socket buffer (46 080 B) and the receiver's (131 072 B) have room for about 150 000 B"),
    ],
)  # fmt: skip
def test_where_the_bytes_went(changes: dict[str, object], part: str) -> None:
    assert part in words(replace(NOT_BLOCKED, **changes))


def test_reasons_and_contradictions() -> None:
    assert words(OffPrediction(-0.4)) == "the buffers held 40 % fewer bytes than predicted"
    assert words(OffPrediction(0.5)) == "the buffers held 50 % more bytes than predicted"
    assert words(UnexplainedWait(0.03)) == "writes took 30 ms in all, but neither the window nor a buffer delayed them"
