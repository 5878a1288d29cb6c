from dataclasses import FrozenInstanceError, replace

import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.flags import Mark
from tests.support.captures import TIMESTAMPS, Segment, exchange, handshake, pcap, spaced

CAPTURE = analyse_capture(pcap(exchange(6, length=3000)))


def test_results_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        CAPTURE.frames.marks = CAPTURE.frames.marks  # type: ignore[misc]


def test_facts_of_a_connection() -> None:
    connection = CAPTURE.connection(0)
    assert str(connection.client.endpoint) == "10.0.0.1:40000"
    assert (connection.client.window_scale, connection.server.mss_bytes) == (7, 1460)
    assert connection.complete_handshake
    assert connection.initial_rtt_ns == 2_000_000
    assert len(CAPTURE.connections()) == len(CAPTURE) == 1


@pytest.mark.parametrize("stream", [-1, 1])
def test_no_such_connection(stream: int) -> None:
    with pytest.raises(IndexError):
        CAPTURE.connection(stream)


def test_without_a_handshake_less_is_known() -> None:
    connection = analyse_capture(pcap(exchange()[3:])).connection(0)
    assert connection.client.window_scale is None
    assert not connection.complete_handshake
    assert connection.frames.window_bytes.tolist() == connection.frames.right_edge_bytes.tolist()
    assert set(connection.frames.window_bytes.tolist()) == {-1}
    assert set(connection.segments().tolist()) == {-1, 0}


def test_unscaled_is_not_unknown() -> None:
    connection = analyse_capture(pcap(exchange(scale=None))).connection(0)
    assert connection.client.window_scale == 0
    assert connection.frames.window_bytes[5] == 500


def test_right_edge() -> None:
    frames = CAPTURE.frames
    assert frames.window_bytes.tolist()[:4] == [64240, 65160, 500 << 7, 500 << 7]
    assert frames.right_edge_bytes.tolist()[:3] == [-1, 65161, 64001]


@pytest.mark.parametrize(
    ("length", "options", "count"),
    [
        (0, b"", 0),
        (1, b"", 1),
        (1460, b"", 1),
        (1461, b"", 2),
        (1448, TIMESTAMPS, 1),
        (1449, TIMESTAMPS, 2),
        (65_160, TIMESTAMPS, 45),
    ],
)
def test_wire_segments_of_a_frame(length: int, options: bytes, count: int) -> None:
    """65 160 bytes with time stamps over Ethernet are 45 segments of 1448."""
    segments = spaced([*handshake(), Segment(1001, 5001, length=length, options=options)])
    assert analyse_capture(pcap(segments)).connection(0).segments()[-1] == count


def test_having_any_of_several_marks() -> None:
    data = Segment(1001, 5001, length=100)
    frames = analyse_capture(pcap(spaced([*handshake(), data, replace(data, seq=1301), data]))).frames
    assert frames.having(Mark.LOST_SEGMENT | Mark.RETRANSMISSION).tolist() == [False] * 4 + [True, True]
