"""The result does not depend on link type, IP version or extension headers."""

from dataclasses import replace

import pytest

from testbed.analysis.packets.capture import analyse_capture
from testbed.analysis.packets.dissect.headers import Skipped
from tests.support.captures import TIMESTAMPS, Link, Segment, Wrapping, exchange, pcap

EXPECTED = analyse_capture(pcap(exchange()))

WRAPPINGS = [
    *(Wrapping(link, version) for link in ("ethernet", "vlan", "qinq", "sll", "sll2", "raw") for version in (4, 6)),
    *(Wrapping(link, version) for link in ("null", "null-big", "loop") for version in (4, 6)),
    Wrapping("raw4"),
    Wrapping("raw6", 6),
    *(Wrapping(ip_options=b"\x01" * size) for size in (4, 40)),
    *(Wrapping(version=6, extensions=(kind,)) for kind in (0, 43, 44, 51, 60)),
    Wrapping("qinq", 6, extensions=(0, 60, 43, 44, 51, 60)),
    Wrapping(total_length_zero=True),
    Wrapping(version=6, total_length_zero=True),
    Wrapping(version=6, total_length_zero=True, extensions=(0,)),
]


@pytest.mark.parametrize("wrapping", WRAPPINGS, ids=str)
def test_the_wrapping_makes_no_difference(wrapping: Wrapping) -> None:
    capture = analyse_capture(pcap(exchange(), wrapping))
    assert capture.facts.skipped == Skipped()
    frames, expected = capture.frames, EXPECTED.frames
    assert frames.payload_bytes.tolist() == expected.payload_bytes.tolist()
    assert frames.relative_seq_bytes.tolist() == expected.relative_seq_bytes.tolist()
    assert frames.marks.tolist() == expected.marks.tolist()
    assert frames.from_client.tolist() == expected.from_client.tolist()


def skipped(data: bytes) -> Skipped:
    return analyse_capture(data).facts.skipped


def one(wrapping: Wrapping) -> bytes:
    return pcap([Segment(1, 2, length=10)], wrapping)


def test_skipped_packets_are_counted() -> None:
    good = one(Wrapping())
    at = 24 + 16
    assert skipped(good[: at + 12] + b"\x08\x06" + good[at + 14 :]).not_ip == 1
    assert skipped(good[: at + 23] + b"\x11" + good[at + 24 :]).not_tcp == 1
    assert skipped(good[: at + 14] + b"\x65" + good[at + 15 :]).malformed == 1
    assert skipped(good[: at + 46] + b"\x80" + good[at + 47 :]).malformed == 1
    assert skipped(good[:20] + b"\x93\x00\x00\x00" + good[24:]).link_type == 1


@pytest.mark.parametrize(("fragment", "count"), [(0x4000, 0), (0x2000, 1), (0x2001, 1), (0x0010, 1)])
def test_fragments_are_skipped_ipv4(fragment: int, count: int) -> None:
    assert skipped(one(Wrapping(fragment=fragment))).fragment == count


@pytest.mark.parametrize(("fragment", "count"), [(0, 0), (6, 0), (1, 1), (8, 1), (9, 1)])
def test_fragments_are_skipped_ipv6(fragment: int, count: int) -> None:
    assert skipped(one(Wrapping(version=6, extensions=(44,), fragment=fragment))).fragment == count


@pytest.mark.parametrize("link", ["ethernet", "vlan", "sll2", "raw", "null"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_snaplen_of_any_length(link: Link, version: int) -> None:
    """A TCP header that is truncated before its window is counted; one that is truncated later is read."""
    segments = [replace(segment, options=segment.options or TIMESTAMPS) for segment in exchange(3)]
    wrapping = Wrapping(link, version)
    header_at = len(wrapping.frame(segments[-1])) - 32
    for snaplen in range(1, header_at + 40):
        capture = analyse_capture(pcap(segments, wrapping, snaplen=snaplen))
        if snaplen < header_at + 16:
            assert capture.facts.skipped.truncated == len(segments), snaplen
        else:
            assert capture.frames.payload_bytes.tolist() == [s.length for s in segments], snaplen


def test_the_payload_length_is_from_the_network_header() -> None:
    """Ethernet pads short frames, segmentation offload makes long ones, snaplen truncates them."""
    segment = Segment(1, 2, length=2)
    data = pcap([segment])
    padded = data[:32] + b"\x3c\x00\x00\x00\x3c\x00\x00\x00" + data[40:] + bytes(4)
    assert analyse_capture(padded).frames.payload_bytes.tolist() == [2]
    large = pcap([replace(segment, length=60_000)], snaplen=96)
    assert analyse_capture(large).frames.payload_bytes.tolist() == [60_000]


def test_big_tcp_is_longer_than_its_length_field() -> None:
    wrapping = Wrapping(version=6, total_length_zero=True)
    data = pcap([Segment(1, 2, length=180_000)], wrapping, snaplen=128)
    assert analyse_capture(data).frames.payload_bytes.tolist() == [180_000]
