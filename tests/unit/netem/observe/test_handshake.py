import struct

from netem.observe.handshake import connections_without_syn
from netem.observe.pcap import Record

SYN, ACK = 0x02, 0x10


def tcp(source: int, target: int, flags: int, *, ipv6: bool = False) -> Record:
    segment = struct.pack("!HHIIBB", source, target, 0, 0, 0x50, flags) + bytes(6)
    addresses = [bytes(15) + b"\1", bytes(15) + b"\2"] if ipv6 else [bytes(3) + b"\1", bytes(3) + b"\2"]
    if source > target:
        addresses.reverse()
    ipv4_header = b"\x45" + bytes(8) + b"\6" + bytes(2) + b"".join(addresses)
    ipv6_header = b"\x60" + bytes(5) + b"\6\x40" + b"".join(addresses)
    kind, header = (b"\x86\xdd", ipv6_header) if ipv6 else (b"\x08\x00", ipv4_header)
    return Record(0, bytes(16) + bytes(12) + kind + header + segment)


def test_a_whole_connection_on_either_family() -> None:
    for ipv6 in (False, True):
        frames = [tcp(5, 9, SYN, ipv6=ipv6), tcp(9, 5, SYN | ACK, ipv6=ipv6), tcp(5, 9, ACK, ipv6=ipv6)]
        assert connections_without_syn(frames) == 0


def test_each_connection_without_syn_counts_once() -> None:
    six = [tcp(9, 7, ACK, ipv6=True), tcp(7, 9, ACK, ipv6=True)]
    frames = [tcp(5, 9, ACK), tcp(9, 5, ACK), tcp(6, 9, SYN), tcp(9, 6, ACK), *six, tcp(5, 9, ACK)]
    assert connections_without_syn(frames) == 2


def test_corrupted_frames_do_not_count_as_connections() -> None:
    without_flags, wrong_port = tcp(5, 9, 0), tcp(4101, 9, ACK)
    frames = [without_flags, tcp(5, 9, SYN), tcp(9, 5, SYN | ACK), wrong_port, tcp(5, 9, ACK)]
    assert connections_without_syn(frames) == 0


def test_other_frames_are_ignored() -> None:
    whole = tcp(5, 9, ACK).data
    for length in range(len(whole) - 7):
        assert connections_without_syn([Record(0, whole[:length])]) == 0
    arp = bytes(16) + bytes(12) + b"\x08\x06" + bytes(46)
    assert connections_without_syn([Record(0, arp)]) == 0
