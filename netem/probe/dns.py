"""Just enough DNS (RFC 1035) to ask for the addresses of one name, again and again without waiting.

getaddrinfo blocks for seconds on a name that does not exist yet, and a peer's name appears only when its container
starts. No compression is followed but to skip it; the answer's own addresses are all that is read.
"""

import socket
import struct

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_RECURSION_DESIRED = 0x0100
_RESPONSE = 0x8000
_CLASS_IN = 1
_TYPES = {"ipv4": 1, "ipv6": 28}
_SIZES = {"ipv4": 4, "ipv6": 16}
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


def query(identifier: int, name: str, family: str) -> bytes:
    """Return the datagram that asks for the addresses of `name`."""
    labels = b"".join(bytes((len(label),)) + label for label in name.encode("idna").rstrip(b".").split(b"."))
    question = labels + b"\0" + struct.pack("!HH", _TYPES[family], _CLASS_IN)
    return _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0) + question


def answer(datagram: bytes, identifier: int, family: str) -> str | None:
    """Return the first address in the answer to `query(identifier, ...)`; None when there is none."""
    try:
        return _first_address(datagram, identifier, family)
    except (struct.error, IndexError, ValueError):
        return None


def _first_address(datagram: bytes, identifier: int, family: str) -> str | None:
    told, flags, questions, answers, _, _ = _HEADER.unpack_from(datagram)
    if told != identifier or not flags & _RESPONSE:
        return None
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(datagram, at) + 4
    for _ in range(answers):
        at = _after_name(datagram, at)
        kind, class_, _ttl, length = _RECORD.unpack_from(datagram, at)
        at += _RECORD.size
        if kind == _TYPES[family] and class_ == _CLASS_IN and length == _SIZES[family]:
            return socket.inet_ntop(_FAMILIES[family], datagram[at : at + length])
        at += length
    return None


def _after_name(datagram: bytes, at: int) -> int:
    while (length := datagram[at]) != 0:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1


def nameserver(resolv_conf: str) -> str:
    """Return the first server of /etc/resolv.conf; Docker's own where there is none."""
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            return words[1]
    return "127.0.0.11"


def literal(text: str, family: str) -> str | None:
    """Return `text` if it is an address of `family`."""
    try:
        socket.inet_pton(_FAMILIES[family], text)
    except OSError:
        return None
    return text


def is_literal(text: str) -> bool:
    """Whether `text` is an address of either family."""
    return any(literal(text, family) for family in _FAMILIES)


def hosts_entry(hosts: str, name: str, family: str) -> str | None:
    """Return the address of `name` in the text of /etc/hosts."""
    for line in hosts.splitlines():
        words = line.partition("#")[0].split()
        if name in words[1:] and literal(words[0], family):
            return words[0]
    return None
