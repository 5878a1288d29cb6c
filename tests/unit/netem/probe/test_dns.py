import struct

import pytest

from netem.probe import dns

IPV4_RECORD = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 600, 4) + bytes((172, 18, 0, 2))
IPV6_RECORD = b"\xc0\x0c" + struct.pack("!HHIH", 28, 1, 600, 16) + bytes.fromhex("fd7c9a4153be") + bytes(9) + b"\2"
CNAME = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 600, 3) + b"\1x\0"


def reply(query: bytes, *records: bytes, flags: int = 0x8180) -> bytes:
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + query[12:] + b"".join(records)


def test_a_query_as_rfc_1035_has_it() -> None:
    assert dns.query(0x1234, "a.server", "ipv4") == bytes.fromhex("123401000001000000000000") + (
        b"\1a\6server\0" + bytes.fromhex("00010001")
    )
    assert dns.query(1, "server.", "ipv6")[-4:] == bytes.fromhex("001c0001")


def test_the_first_address_of_the_family() -> None:
    query = dns.query(7, "server", "ipv4")
    assert dns.answer(reply(query, CNAME, IPV4_RECORD), 7, "ipv4") == "172.18.0.2"
    assert dns.answer(reply(query, IPV6_RECORD), 7, "ipv6") == "fd7c:9a41:53be::2"
    assert dns.answer(reply(query, IPV4_RECORD), 7, "ipv6") is None


def test_no_address_is_none() -> None:
    query = dns.query(7, "server", "ipv4")
    assert dns.answer(reply(query, flags=0x8183), 7, "ipv4") is None
    assert dns.answer(reply(query, IPV4_RECORD), 8, "ipv4") is None
    assert dns.answer(query, 7, "ipv4") is None


def test_an_answer_cut_anywhere_is_none() -> None:
    whole = reply(dns.query(7, "server", "ipv4"), IPV4_RECORD)
    for length in range(len(whole)):
        assert dns.answer(whole[:length], 7, "ipv4") is None


def test_a_name_that_points_at_itself_ends() -> None:
    looping = struct.pack("!HHHHHH", 7, 0x8180, 0, 1, 0, 0) + b"\xc0\x0c"
    assert dns.answer(looping, 7, "ipv4") is None


def test_resolv_conf() -> None:
    assert dns.nameserver("# x\nsearch a\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n") == "10.0.0.1"
    assert dns.nameserver("") == "127.0.0.11"


@pytest.mark.parametrize(
    ("text", "family", "found"),
    [("10.0.0.1", "ipv4", True), ("::1", "ipv6", True), ("10.0.0.1", "ipv6", False), ("server", "ipv4", False)],
)
def test_literals(text: str, family: str, found: bool) -> None:
    assert dns.literal(text, family) == (text if found else None)


def test_hosts() -> None:
    hosts = "127.0.0.1 localhost # server\n::1 localhost\n172.18.0.9 abc server\n"
    assert dns.hosts_entry(hosts, "server", "ipv4") == "172.18.0.9"
    assert dns.hosts_entry(hosts, "localhost", "ipv6") == "::1"
    assert dns.hosts_entry(hosts, "server", "ipv6") is None
