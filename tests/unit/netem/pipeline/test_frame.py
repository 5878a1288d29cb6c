import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.pipeline.frame import (
    IpHeader,
    checksum,
    complete_checksum,
    find_ip_header,
    is_neighbour_discovery,
    is_super_packet,
    matches,
    wire_bytes,
)
from netem.spec.model import Filter
from tests.support.frames import ETHERNET, ipv4, ipv6, ports

ARP = ETHERNET + b"\x08\x06" + bytes(28)


def solicitation(kind: int) -> bytes:
    return ipv6(bytes([kind]) + bytes(23), protocol=58)


def vnet(flags: int = 0, gso: int = 0, segment: int = 0, start: int = 0, offset: int = 0) -> bytes:
    return struct.pack("=BBHHHH", flags, gso, 0, segment, start, offset)


def test_where_the_network_header_is() -> None:
    assert find_ip_header(ipv4(), 0) == IpHeader("ipv4", 14)
    assert find_ip_header(ipv6(), 0) == IpHeader("ipv6", 14)
    assert find_ip_header(ipv4(vlan=True), 0) == IpHeader("ipv4", 18)
    assert find_ip_header(bytes(10) + ipv4(), 10) == IpHeader("ipv4", 24)
    assert find_ip_header(ARP, 0) is None
    assert find_ip_header(ipv4()[:30], 0) is None


@pytest.mark.parametrize("start", [0, 10])
def test_neighbour_discovery_is_what_a_sender_needs_first(start: int) -> None:
    def is_nd(frame: bytes) -> bool:
        return is_neighbour_discovery(bytes(start) + frame, start)

    assert is_nd(ARP)
    assert is_nd(ETHERNET + b"\x81\0\0\5" + ARP[12:])
    assert [kind for kind in range(256) if is_nd(solicitation(kind))] == [133, 134, 135, 136, 137]
    assert not is_nd(ipv4())
    assert not is_nd(ipv4(vlan=True))
    assert not is_nd(ipv6(bytes([135]), protocol=17))


@given(st.binary(max_size=80), st.sampled_from([b"", ARP[:14], ipv6()[:20], ipv4()[:16], b"\x81\0" * 9]))
def test_any_bytes_are_accepted_as_a_frame(garbage: bytes, begin: bytes) -> None:
    frame = begin + garbage
    for start in (0, 10):
        is_neighbour_discovery(frame, start)
        find_ip_header(frame, start)
        matches(frame, start, Filter(protocol="tcp", port=5))
        if len(frame) >= start:
            assert wire_bytes(frame, start) >= 0
            complete_checksum(bytearray(frame), start)


@pytest.mark.parametrize(
    ("given_filter", "hits"),
    [
        (Filter(family="ipv4"), {"tcp4", "udp4", "late4", "icmp4"}),
        (Filter(family="ipv6"), {"tcp6", "icmp6", "hop6", "late6"}),
        (Filter(protocol="tcp"), {"tcp4", "tcp6", "late4", "hop6"}),
        (Filter(protocol="17"), {"udp4", "late6"}),
        (Filter(protocol="icmp"), {"icmp4", "icmp6"}),
        (Filter(port=80), {"tcp4", "tcp6", "hop6"}),
        (Filter(port=53), {"udp4"}),
        (Filter(family="ipv6", protocol="tcp", port=80), {"tcp6", "hop6"}),
        (Filter(port=9), set()),
    ],
)
def test_what_a_filter_selects(given_filter: Filter, hits: set[str]) -> None:
    hop = bytes([6, 0]) + bytes(6)
    frames = {
        "tcp4": ipv4(ports(5000, 80)),
        "udp4": ipv4(ports(53, 5000), protocol=17),
        "late4": ipv4(ports(80, 80), fragment=5),
        "icmp4": ipv4(bytes(8), protocol=1),
        "tcp6": ipv6(ports(80, 5000)),
        "icmp6": ipv6(bytes([128]) + bytes(7), protocol=58),
        "hop6": ipv6(hop + ports(80, 5000), protocol=0),
        "late6": ipv6(bytes([17, 0, 0, 8, 0, 0, 0, 1]) + ports(53, 53), protocol=44),
        "arp": ARP,
    }
    assert {name for name, frame in frames.items() if matches(frame, 0, given_filter)} == hits


def test_a_super_packet_repeats_its_headers_on_the_wire() -> None:
    tcp = ports(1, 2)[:12] + b"\x80" + bytes(19)  # a header of 32 bytes
    frame = ipv4(tcp + bytes(4000))
    assert wire_bytes(vnet() + frame, 10) == len(frame)
    assert wire_bytes(vnet(1, 1, 1448, 34, 16) + frame, 10) == len(frame) + 2 * 66
    assert wire_bytes(vnet(1, 5, 1000, 34, 6) + ipv4(bytes(8) + bytes(4000), protocol=17), 10) == 42 * 4 + 4000
    assert is_super_packet(vnet(1, 1) + frame, 10)
    assert not is_super_packet(vnet(1) + frame, 10)
    assert not is_super_packet(frame, 0)


@given(st.binary(max_size=64))
def test_the_checksum_of_data_with_its_checksum_is_zero(data: bytes) -> None:
    data += b"\0" * (len(data) % 2)
    total = checksum(data).to_bytes(2, "big")
    words = struct.unpack(f"!{len(data) // 2 + 1}H", data + total)
    folded = sum(words)
    while folded > 0xFFFF:
        folded = (folded & 0xFFFF) + (folded >> 16)
    assert folded == 0xFFFF or (folded == 0 and not any(words))


def test_a_checksum_left_to_the_device_is_completed() -> None:
    udp = ports(1, 2)[:4] + b"\0\x0c" + b"\x12\x34" + b"data"  # 0x1234 stands for the pseudo header's sum
    frame = bytearray(vnet(1, 0, 0, 34, 6) + ipv4(udp, protocol=17))
    complete_checksum(frame, 10)
    assert frame[0] == 0
    assert frame[10 + 40 : 10 + 42] == checksum(udp).to_bytes(2, "big")
    before = bytes(frame)
    complete_checksum(frame, 10)
    assert frame == before
