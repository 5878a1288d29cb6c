from dataclasses import replace

from testbed.analysis.packets.capture import analyse_capture
from tests.support.captures import SYN, Segment, exchange, handshake, pcap, spaced


def numbers(*segments: Segment) -> tuple[list[int], list[int]]:
    frames = analyse_capture(pcap(spaced(segments))).frames
    return frames.relative_seq_bytes.tolist(), frames.relative_ack_bytes.tolist()


DATA = Segment(1001, 5001, length=100)


def test_counted_from_the_syn() -> None:
    assert numbers(*handshake(), DATA) == ([0, 0, 1, 1], [0, 1, 1, 1])


def test_without_a_syn_the_first_byte_is_number_one() -> None:
    assert numbers(DATA, Segment(5001, 1101, from_server=True)) == ([1, 1], [1, 101])


def test_the_isn_from_an_earlier_acknowledgement() -> None:
    assert numbers(Segment(5001, 1101, from_server=True), replace(DATA, seq=1201)) == ([1, 101], [1, 1])


def test_numbers_do_not_wrap() -> None:
    segments = exchange(100, client_isn=2**32 - 50, length=1000)
    seqs, acks = numbers(*segments)
    assert max(seqs) == 100_002
    assert max(acks) == 100_002
    assert segments[0].flags == SYN
