from dataclasses import replace

import numpy as np
import pytest

from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import SYN, Segment, exchange, handshake, pcap, spaced
from tests.support.random_exchange import random_segments


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pcap([*exchange(), *random_segments(3), *random_segments(5, same_ports=True)])
    whole = analyse_capture(data)
    assert len(whole) > 2
    monkeypatch.setattr("testbed.analysis.packets.assembly.BATCH_FRAMES", 1)
    single = analyse_capture(data)
    np.testing.assert_array_equal(whole.frames.marks, single.frames.marks)
    np.testing.assert_array_equal(whole.frames.acked_frame, single.frames.acked_frame)
    np.testing.assert_array_equal(whole.frames.relative_ack_bytes, single.frames.relative_ack_bytes)
    np.testing.assert_array_equal(whole.table.window_scale, single.table.window_scale)


def test_who_is_the_client() -> None:
    """The sender of the SYN, the receiver of the SYN/ACK, else the first sender; addresses do not matter."""
    swapped = [replace(segment, from_server=not segment.from_server) for segment in exchange()]
    for segments in (swapped, swapped[1:]):
        assert analyse_capture(pcap(segments)).table.client[0].port == 8888
    assert analyse_capture(pcap(exchange()[3:])).table.client[0].port == 40_000
    assert analyse_capture(pcap(swapped[3:])).table.client[0].port == 8888


def test_the_first_round_trip_is_from_the_last_syn() -> None:
    syn, answer, last = handshake()
    capture = analyse_capture(pcap(spaced([syn, syn, answer, last])))
    assert capture.connection(0).initial_rtt_ns == 2_000_000
    assert analyse_capture(pcap([syn])).connection(0).initial_rtt_ns == -1
    assert syn.flags == SYN


def test_scales_and_mss_of_each_peer() -> None:
    syn, answer, last = handshake(scale=3)
    other = handshake(scale=9)[1]
    data = pcap(spaced([syn, replace(answer, options=other.options), last]))
    for swap in (False, True):
        segments = [syn, replace(answer, options=other.options), last]
        data = pcap(spaced([replace(s, from_server=s.from_server ^ swap) for s in segments]))
        assert analyse_capture(data).table.window_scale.tolist() == [[3, 9]]


def test_acked_frame_is_a_number_of_the_file() -> None:
    foreign = Segment(1, 2, ports=(1, 2))
    capture = analyse_capture(pcap([foreign, foreign, *exchange(2)]))
    connection = capture.connection(1)
    assert connection.frames.acked_frame.tolist()[:3] == [-1, 3, 4]
