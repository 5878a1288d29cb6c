import numpy as np
import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.follow.connections import sort_by_pair
from testbed.analysis.packets.model import Capture
from tests.support.captures import ACK, RST, SYN, Segment, exchange, handshake, pcap, spaced


def analyse(*segments: Segment) -> Capture:
    return analyse_capture(pcap(spaced(segments)))


@pytest.mark.parametrize("pairs", [3, 70_000])
def test_sorting_keeps_the_order_within_a_pair(pairs: int) -> None:
    order = sort_by_pair(np.array([2, 0, 1, 0, 2], np.int32), pairs)
    assert order is not None
    assert order.tolist() == [1, 3, 2, 0, 4]


def test_sorted_needs_no_order() -> None:
    assert sort_by_pair(np.array([0, 0, 1], np.int32), 2) is None


def reused(capture: Capture) -> list[bool]:
    return capture.table.reused_ports.tolist()


def test_reused_ports() -> None:
    capture = analyse(*exchange(client_isn=1), *exchange(client_isn=99_999), *exchange(client_isn=99_999))
    assert reused(capture) == [False, True, True]
    assert capture.frames.having(Mark.REUSED_PORTS).sum() == 2
    assert [capture.connection(n).initial_rtt_ns for n in range(3)] == [2_000_000] * 3


def test_a_retransmitted_syn_is_no_new_connection() -> None:
    syn, *others = handshake()
    capture = analyse(syn, syn, *others)
    assert reused(capture) == [False]
    assert capture.frames.having(Mark.RETRANSMISSION).tolist() == [False, True, False, False]


def test_the_same_syn_after_a_reset_is_a_new_connection() -> None:
    begin = handshake()
    assert reused(analyse(*begin, Segment(1001, 5001, RST | ACK), *begin)) == [False, True]


def test_a_syn_ack_of_another_connection() -> None:
    assert reused(analyse(*exchange(), Segment(9, 8, SYN | ACK, from_server=True))) == [False, True]


def test_a_syn_whose_number_was_acknowledged_before_it() -> None:
    """The capture begins out of order: the acknowledgement gives the ISN, and the SYN has the same."""
    syn, answer, last = handshake()
    assert reused(analyse(answer, syn, last)) == [False]


def test_streams_are_numbered_by_their_first_frames() -> None:
    first = exchange(client_isn=1)
    again = exchange(client_isn=70_000)
    other = [
        Segment(s.seq, s.ack, s.flags, s.length, s.window, s.from_server, 0, s.options, (50_000, 8888)) for s in first
    ]
    capture = analyse(*first, *other, *again)
    assert [end.port for end in capture.table.client] == [40_000, 50_000, 40_000]
    assert reused(capture) == [False, False, True]
    assert [int(capture.connection(n).frames.number[0]) for n in range(3)] == [1, 1 + len(first), 1 + 2 * len(first)]


def test_an_endpoint_connected_to_itself() -> None:
    data = bytearray(pcap([Segment(1, 2, ports=(5, 5))]))
    data[24 + 16 + 26 : 24 + 16 + 34] = b"\x7f\x00\x00\x01" * 2
    capture = analyse_capture(bytes(data))
    assert capture.table.client == capture.table.server
