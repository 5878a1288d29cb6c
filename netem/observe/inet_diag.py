"""The messages of NETLINK_SOCK_DIAG: encode requests for TCP sockets, decode the replies. Nothing here opens a socket.

Sources: include/uapi/linux/{netlink,sock_diag,inet_diag}.h, net/ipv4/inet_diag.c.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from netem.observe import tcp_info

LISTEN, TIME_WAIT, CLOSE = 10, 6, 7
STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
}
LISTENING = 1 << LISTEN
ALL_BUT_LISTENING = 0xFFF & ~(1 << LISTEN) & ~(1 << CLOSE)
CONNECTED = 0xFFF & ~(1 << LISTEN) & ~(1 << TIME_WAIT) & ~(1 << CLOSE)

_TYPE, _DESTROY = 20, 21  # SOCK_DIAG_BY_FAMILY, SOCK_DESTROY
_REQUEST, _ACKNOWLEDGE, _ROOT_MATCH = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ATTR_INFO, _ATTR_CONG, _ATTR_SKMEMINFO, _ATTR_SHUTDOWN, _ATTR_V6ONLY = 2, 4, 7, 8, 11
_EXTENSIONS = 1 << (_ATTR_INFO - 1) | 1 << (_ATTR_CONG - 1) | 1 << (_ATTR_SKMEMINFO - 1)
_TIMER_TIME_WAIT = 3
_HEADER = struct.Struct("=IHHII")
_REQUEST_BODY = struct.Struct("=BBBxI")
_MESSAGE = struct.Struct("=BBBB2s2s16s16sI8sIIIII")
_ATTRIBUTE = struct.Struct("=HH")
_SKMEMINFO = struct.Struct("=9I")
MEMORY_NAMES = (
    "rmem_alloc",
    "rcvbuf",
    "wmem_alloc",
    "sndbuf",
    "fwd_alloc",
    "wmem_queued",
    "optmem",
    "backlog",
    "drops",
)


class SocketId(NamedTuple):
    """The kernel's identification of one socket, in its own layout."""

    family: int
    raw: bytes
    """`struct inet_diag_sockid`: ports, addresses, interface, cookie."""

    @property
    def cookie(self) -> int:
        """Return the number that is unique among all sockets since boot."""
        return int.from_bytes(self.raw[40:48], "little")

    @property
    def local_port(self) -> int:
        """Return the local port."""
        return int.from_bytes(self.raw[0:2], "big")

    @property
    def remote_port(self) -> int:
        """Return the remote port."""
        return int.from_bytes(self.raw[2:4], "big")

    def addresses(self) -> tuple[str, str]:
        """Return both addresses as text."""
        size = 4 if self.family == socket.AF_INET else 16
        return (
            socket.inet_ntop(self.family, self.raw[4 : 4 + size]),
            socket.inet_ntop(self.family, self.raw[20 : 20 + size]),
        )


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One socket as the kernel reported it; an empty tuple means that it did not report this part."""

    id: SocketId
    state: int
    receive_queue_bytes: int
    send_queue_bytes: int
    memory: tuple[int, ...]
    info: tuple[int, ...]
    shutdown: int
    """Bit 0: nothing more will be received; bit 1: nothing more will be sent."""
    congestion: str
    v6only: bool

    @property
    def connected(self) -> bool:
        """Whether this is a connection that has not ended."""
        return bool(CONNECTED >> self.state & 1)


def dump_request(family: int, states: int) -> bytes:
    """Return the request for all sockets of `family` in `states`."""
    return _request(_REQUEST | _ROOT_MATCH, family, states, b"\0" * 48)


def exact_request(id_: SocketId) -> bytes:
    """Return the request for one socket; the kernel finds it by hash, whereas a dump walks the whole table."""
    return _request(_REQUEST, id_.family, 0xFFFFFFFF, id_.raw)


def destroy_request(id_: SocketId) -> bytes:
    """Return the request to end one socket, whatever its state; the kernel answers with an error number or 0."""
    return _request(_REQUEST | _ACKNOWLEDGE, id_.family, 0xFFFFFFFF, id_.raw, kind=_DESTROY)


def _request(flags: int, family: int, states: int, id_raw: bytes, kind: int = _TYPE) -> bytes:
    body = _REQUEST_BODY.pack(family, socket.IPPROTO_TCP, _EXTENSIONS, states) + id_raw
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


class Response(NamedTuple):
    """The content of one datagram from the kernel."""

    sockets: list[TcpSocket]
    done: bool
    error: int
    """0, or the errno of a rejected request."""


def decode(datagram: bytes) -> Response:
    """Decode a reply of the kernel, or a message to the multicast group of destroyed sockets."""
    sockets: list[TcpSocket] = []
    for kind, body in _messages(datagram):
        if kind == _DONE:
            return Response(sockets, True, 0)
        if kind == _ERROR:
            return Response(sockets, True, -struct.unpack_from("=i", body)[0])
        if kind == _TYPE and len(body) >= _MESSAGE.size:
            sockets.append(_socket(body))
    return Response(sockets, False, 0)


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size or offset + length > len(datagram):
            return
        yield kind, datagram[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _socket(body: bytes) -> TcpSocket:
    family, state, timer, _retrans, *_, _expires, receive_queue, send_queue, _uid, _inode = _MESSAGE.unpack_from(body)
    attributes = dict(_attributes(body))
    memory = attributes.get(_ATTR_SKMEMINFO, b"")
    return TcpSocket(
        id=SocketId(family, body[4:52]),
        # For a time-wait record the kernel reports the sub-state, such as FIN_WAIT2.
        state=TIME_WAIT if timer == _TIMER_TIME_WAIT else state,
        receive_queue_bytes=receive_queue,
        send_queue_bytes=send_queue,
        memory=_SKMEMINFO.unpack_from(memory) if len(memory) >= _SKMEMINFO.size else (),
        info=tcp_info.decode(attributes.get(_ATTR_INFO, b"")),
        shutdown=attributes.get(_ATTR_SHUTDOWN, b"\0")[0],
        congestion=attributes.get(_ATTR_CONG, b"").rstrip(b"\0").decode("ascii", "replace"),
        v6only=attributes.get(_ATTR_V6ONLY, b"\0")[0] != 0,
    )


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    offset = _MESSAGE.size
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size or offset + length > len(body):
            return
        yield kind, body[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
