"""Parse frames: Ethernet, VLAN tags, IPv4, IPv6, and the virtio_net_hdr in front.

Frames come from a network, so they may have any length and content. A truncated frame matches nothing.
"""

import struct
from typing import NamedTuple

from netem.pipeline.packet import Frame
from netem.spec.model import Filter

_ARP = 0x0806
_IPV4 = 0x0800
_IPV6 = 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8)  # IEEE 802.1Q
_ICMPV6 = 58
_ND_TYPES = range(133, 138)  # RFC 4861 section 4
_PORTS_PROTOCOLS = (6, 17)
_PROTOCOL_NUMBERS = {"tcp": (6,), "udp": (17,), "icmp": (1, _ICMPV6)}
_IPV6_EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options: RFC 8200 section 4
_MAX_EXTENSIONS = 8
_IPV6_FRAGMENT = 44

# struct virtio_net_hdr (linux/virtio_net.h), in the byte order of the host: TUNSETVNETLE is not used
_VNET_HEADER = struct.Struct("=BBHHHH")
_NEEDS_CSUM = 1
_GSO_UDP_L4 = 5
_GSO_ECN = 0x80


class IpHeader(NamedTuple):
    """The IP header of a frame."""

    family: str
    offset: int
    """Position in the whole buffer."""


def find_ip_header(frame: Frame, start: int) -> IpHeader | None:
    """Return the IP header, None if there is none; Ethernet begins at `start`."""
    at = start + 12
    ethertype = int.from_bytes(frame[at : at + 2], "big")
    while ethertype in _VLAN_TAGS:
        at += 4
        ethertype = int.from_bytes(frame[at : at + 2], "big")
    if ethertype == _IPV4 and len(frame) >= at + 22:
        return IpHeader("ipv4", at + 2)
    if ethertype == _IPV6 and len(frame) >= at + 42:
        return IpHeader("ipv6", at + 2)
    return None


def is_neighbour_discovery(frame: Frame, start: int) -> bool:
    """Return whether the frame is ARP or ICMPv6 133 to 137, which a sender needs before it can send data."""
    ethertype = int.from_bytes(frame[start + 12 : start + 14], "big")
    if ethertype == _IPV4:
        return False
    if ethertype == _ARP:
        return True
    if ethertype == _IPV6:
        at = start + 14
    else:
        header = find_ip_header(frame, start)
        if header is None:
            return ethertype in _VLAN_TAGS and int.from_bytes(frame[start + 16 : start + 18], "big") == _ARP
        if header.family == "ipv4":
            return False
        at = header.offset
    return len(frame) > at + 40 and frame[at + 6] == _ICMPV6 and frame[at + 40] in _ND_TYPES


def _transport(frame: Frame, header: IpHeader) -> tuple[int, int | None]:
    """Return the protocol number and the offset of its header, None for a later fragment or a truncated header."""
    at = header.offset
    if header.family == "ipv4":
        later = int.from_bytes(frame[at + 6 : at + 8], "big") & 0x1FFF
        return frame[at + 9], None if later else at + 4 * (frame[at] & 0x0F)
    protocol, at = frame[at + 6], at + 40
    for _ in range(_MAX_EXTENSIONS):
        if len(frame) < at + 8:
            return protocol, None
        if protocol == _IPV6_FRAGMENT:
            if int.from_bytes(frame[at + 2 : at + 4], "big") & 0xFFF8:
                return frame[at], None
            protocol, at = frame[at], at + 8
        elif protocol in _IPV6_EXTENSIONS:
            protocol, at = frame[at], at + 8 + 8 * frame[at + 1]
        else:
            break
    return protocol, at


def matches(frame: Frame, start: int, rule: Filter) -> bool:
    """Return whether the filter matches the frame."""
    header = find_ip_header(frame, start)
    if header is None or rule.family not in (None, header.family):
        return False
    if rule.protocol is None and rule.port is None:
        return True
    protocol, at = _transport(frame, header)
    if rule.protocol is not None:
        numbers = _PROTOCOL_NUMBERS.get(rule.protocol)
        if protocol not in (numbers if numbers is not None else (int(rule.protocol),)):
            return False
    if rule.port is None:
        return True
    if at is None or protocol not in _PORTS_PROTOCOLS or len(frame) < at + 4:
        return False
    return rule.port in (int.from_bytes(frame[at : at + 2], "big"), int.from_bytes(frame[at + 2 : at + 4], "big"))


def wire_bytes(frame: Frame, start: int) -> int:
    """Return the bytes on the wire: a super-packet repeats its headers in every segment (`qdisc_pkt_len_init`)."""
    size = len(frame) - start
    if start < _VNET_HEADER.size or len(frame) < start or not frame[1]:
        return size
    fields: tuple[int, ...] = _VNET_HEADER.unpack_from(frame)
    _flags, gso_type, _hint, segment_bytes, transport, _csum = fields
    if not segment_bytes or size <= transport + 13:
        return size
    udp = gso_type & ~_GSO_ECN == _GSO_UDP_L4
    headers = transport + (8 if udp else 4 * (frame[start + transport + 12] >> 4))
    segments = max(1, -(-(size - headers) // segment_bytes))
    return size + (segments - 1) * headers


def is_super_packet(frame: Frame, start: int) -> bool:
    """Return whether the kernel will segment this frame."""
    return start >= _VNET_HEADER.size and len(frame) > 1 and frame[1] != 0


def checksum(data: Frame) -> int:
    """Return the Internet checksum (RFC 1071) of `data`."""
    padded = bytes(data) + b"\0" * (len(data) % 2)
    total = int.from_bytes(padded, "big")
    folded = total % 0xFFFF or (0xFFFF if total else 0)
    return 0xFFFF - folded


def complete_checksum(frame: bytearray, start: int) -> None:
    """Complete the transport checksum in place, if the virtio_net_hdr leaves it to the device."""
    if start < _VNET_HEADER.size or not frame[0] & _NEEDS_CSUM:
        return
    *_, csum_start, csum_offset = _VNET_HEADER.unpack_from(frame)
    at = start + csum_start + csum_offset
    if at + 2 > len(frame):
        return
    value = checksum(frame[start + csum_start :]) or 0xFFFF  # 0 means none in UDP (RFC 768), and equals 0xffff in TCP
    frame[at : at + 2] = value.to_bytes(2, "big")
    frame[0] &= ~_NEEDS_CSUM
