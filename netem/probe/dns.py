"""A minimal DNS client (RFC 1035): the query for the addresses of one name, and the first address of the answer.

getaddrinfo would block for seconds on a name that does not exist yet, and a peer's name appears only when its
container starts. Compressed names are skipped, never followed, because only the addresses matter.
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
    """Return the datagram of a query for the addresses of `name`."""
    labels = b"".join(bytes((len(label),)) + label for label in name.encode("idna").rstrip(b".").split(b"."))
    question = labels + b"\0" + struct.pack("!HH", _TYPES[family], _CLASS_IN)
    return _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0) + question


def answer(datagram: bytes, identifier: int, family: str) -> str | None:
    """Return the first address in the answer to `query(identifier, ...)`; None when it holds none."""
    try:
        return _first_address(datagram, identifier, family)
    except (struct.error, IndexError, ValueError):
        return None


def _first_address(datagram: bytes, identifier: int, family: str) -> str | None:
    answered, flags, questions, answers, _, _ = _HEADER.unpack_from(datagram)
    if answered != identifier or not flags & _RESPONSE:
        return None
    offset = _HEADER.size
    for _ in range(questions):
        offset = _after_name(datagram, offset) + 4
    for _ in range(answers):
        offset = _after_name(datagram, offset)
        kind, class_, _ttl, length = _RECORD.unpack_from(datagram, offset)
        offset += _RECORD.size
        if kind == _TYPES[family] and class_ == _CLASS_IN and length == _SIZES[family]:
            return socket.inet_ntop(_FAMILIES[family], datagram[offset : offset + length])
        offset += length
    return None


def _after_name(datagram: bytes, offset: int) -> int:
    while (length := datagram[offset]) != 0:
        if length >= 0xC0:
            return offset + 2
        offset += 1 + length
    return offset + 1


def nameserver(resolv_conf: str) -> str:
    """Return the first server of /etc/resolv.conf; Docker's embedded server when the file names none."""
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


def hosts_entry(hosts: str, name: str, family: str) -> str | None:
    """Return the address of `name` in the text of /etc/hosts."""
    for line in hosts.splitlines():
        words = line.partition("#")[0].split()
        if name in words[1:] and literal(words[0], family):
            return words[0]
    return None
