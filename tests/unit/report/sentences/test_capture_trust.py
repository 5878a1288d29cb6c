import pytest

from testbed.analysis.findings.capture_trust import CapturesComplete, CapturesFlawed, Flaw, FlawKind
from testbed.report.sentences.registry import words

FILE = "server/capture.pcap"


@pytest.mark.parametrize(
    ("flaw", "clause"),
    [
        (Flaw(FlawKind.MISSING, "server"), "the server has no capture"),
        (Flaw(FlawKind.UNREADABLE, "server", FILE, "not a capture"), f"{FILE}: not a capture"),
        (Flaw(FlawKind.INCOMPLETE, "server", FILE, "6 frames"), f"{FILE} is not complete (6 frames)"),
        (Flaw(FlawKind.STAMPED_ELSEWHERE, "server", FILE, "after netem"), f"{FILE}: after netem"),
        (
            Flaw(FlawKind.TRUNCATED, "server", FILE, truncated_at_byte=99),
            f"{FILE} ends within a record, at byte 99",
        ),
        (
            Flaw(FlawKind.TRUNCATED, "server", FILE, "the zstd data ends early, at byte 9", truncated_at_byte=99),
            f"{FILE} (the zstd data ends early, at byte 9) ends at byte 99",
        ),
        (Flaw(FlawKind.DROPPED_PACKETS, "server", FILE, dropped_packets=1), f"{FILE} lacks 1 dropped packet"),
        (Flaw(FlawKind.NO_CONNECTION, "server", FILE), f"{FILE} has no TCP connection"),
        (Flaw(FlawKind.NO_HANDSHAKE, "server", FILE), f"{FILE} has no handshake: window scale and MSS are unknown"),
        (Flaw(FlawKind.DATA_MISSING, "server", FILE), f"{FILE} lacks data that was acknowledged"),
        (
            Flaw(FlawKind.CLOCK_MOVED, clock_moved_s=0.05),
            "the host's clock moved by 50 ms against its monotonic one during the transfer",
        ),
    ],
)
def test_a_flaw(flaw: Flaw, clause: str) -> None:
    assert words(flaw) == clause


def test_flaws_and_what_they_affect() -> None:
    flaws = (Flaw(FlawKind.MISSING, "client"), Flaw(FlawKind.MISSING, "server"))
    assert words(CapturesFlawed(2, 0, flaws, ("segmentation", "window-closed"))) == (
        "The captures cannot be trusted fully: the client has no capture; the server has no capture. This affects "
        "these findings: segmentation, window-closed."
    )


@pytest.mark.parametrize(("count", "frames"), [(1, "1 frame"), (13, "13 frames")])
def test_complete_captures(count: int, frames: str) -> None:
    verb, them = ("was", "it") if count == 1 else ("were", "them")
    assert words(CapturesComplete(count)) == (
        f"The captures are complete. {frames} with the payload of several segments {verb} captured before "
        f"segmentation offload (GSO/TSO) split {them}."
    )
