"""Connected and listening sockets with the requested options.

Buffers are set first: the receive buffer determines the window scale, which the SYN fixes (RFC 7323 section 2.2).
"""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from testbed.peer.errors import SystemCallError
from testbed.peer.options import Options

BACKLOG: Final = 1024
_SIOCOUTQ: Final = 0x5411
_FAMILIES: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6, "dual": socket.AF_UNSPEC}
_ANY: Final = {"ipv4": "0.0.0.0", "ipv6": "::", "dual": "::"}  # noqa: S104 - in its namespace the server listens on all

AddressInfo = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


def unacked_bytes(sock: socket.socket) -> int:
    """Return the bytes, FIN included, that the peer has not acknowledged (tcp(7), SIOCOUTQ).

    Raises OSError with the connection's pending error, after which nothing more will be acknowledged.
    """
    unacked = int.from_bytes(fcntl.ioctl(sock, _SIOCOUTQ, bytes(4)), sys.byteorder)
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    return unacked


def describe(address: tuple[object, ...]) -> str:
    """Return an address as `HOST port PORT`."""
    return f"{address[0]} port {address[1]}"


def _resolve(host: str, port: int, family: socket.AddressFamily, flags: int, attempt: str) -> list[AddressInfo]:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)
    except OSError as error:
        raise SystemCallError(attempt, error) from error
    except UnicodeError:
        raise SystemCallError(attempt, OSError(0, "invalid host name")) from None
    return [(info[0], info[4]) for info in found]  # type: ignore[misc] # an address of these families begins like this


def _set_options(sock: socket.socket, options: Options) -> None:
    if options.sndbuf_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.sndbuf_bytes)
    if options.rcvbuf_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.rcvbuf_bytes)
    if options.nodelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect(options: Options, on_socket: Callable[[socket.socket], None]) -> tuple[socket.socket, int, int]:
    """Connect to the host, trying its addresses in order; raise SystemCallError with the last reason.

    Return the socket, and CLOCK_MONOTONIC before and after its connect call. `on_socket` receives each socket before.
    """
    attempt = f"connect to {options.host} port {options.port} over {options.family}"
    addresses = _resolve(
        options.host, options.port, _FAMILIES[options.family], 0, f"resolve {options.host} over {options.family}"
    )
    failure = OSError(0, "no address")
    for family, address in addresses:
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            failure = error
            continue
        try:
            _set_options(sock, options)
            on_socket(sock)
            start_ns = time.monotonic_ns()
            sock.connect(address)
            return sock, start_ns, time.monotonic_ns()
        except OSError as error:
            sock.close()
            failure = error
    raise SystemCallError(attempt, failure) from failure


def listen(options: Options) -> socket.socket:
    """Return a non-blocking listening socket; raise SystemCallError on failure."""
    host = options.bind or _ANY[options.family]
    attempt = f"listen on {host} port {options.port} over {options.family}"
    wanted = socket.AF_INET if options.family == "ipv4" else socket.AF_INET6
    flags = socket.AI_PASSIVE | (socket.AI_V4MAPPED if options.family == "dual" else 0)
    family, address = _resolve(host, options.port, wanted, flags, attempt)[0]
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(options.family == "ipv6"))
        _set_options(sock, options)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise SystemCallError(attempt, error) from error
    return sock
