"""Sockets as the settings ask for them, connected or listening.

Buffers are set first: the receive buffer decides the window scale, which is fixed by the SYN (RFC 7323 section 2.2).
"""

import socket
import time
from collections.abc import Callable
from typing import Final

from testbed.peer.errors import SystemCallError
from testbed.peer.options import Settings

BACKLOG: Final = 1024
_FAMILIES: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6, "dual": socket.AF_UNSPEC}
_ANY: Final = {"ipv4": "0.0.0.0", "ipv6": "::", "dual": "::"}  # noqa: S104 - inside its namespace a server listens to all

AddressInfo = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


def describe(address: tuple[object, ...]) -> str:
    """Return an address as `HOST port PORT`."""
    return f"{address[0]} port {address[1]}"


def _resolve(host: str, port: int, family: socket.AddressFamily, flags: int, attempt: str) -> list[AddressInfo]:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)
    except OSError as error:
        raise SystemCallError(attempt, error) from error
    except UnicodeError:
        raise SystemCallError(attempt, OSError(0, "this is no host name")) from None
    return [(info[0], info[4]) for info in found]  # type: ignore[misc] # an address of these families begins like this


def _prepare(sock: socket.socket, settings: Settings) -> None:
    if settings.sndbuf_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.sndbuf_bytes)
    if settings.rcvbuf_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.rcvbuf_bytes)
    if settings.nodelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect(settings: Settings, announce: Callable[[socket.socket], None]) -> tuple[socket.socket, int, int]:
    """Connect to the host, address by address as the resolver gives them; raise SystemCallError with the last reason.

    Return the socket, and CLOCK_MONOTONIC before and after its connect call. Each socket is announced before that.
    """
    attempt = f"connect to {settings.host} port {settings.port} over {settings.family}"
    addresses = _resolve(
        settings.host, settings.port, _FAMILIES[settings.family], 0, f"resolve {settings.host} over {settings.family}"
    )
    failure = OSError(0, "no address")
    for family, address in addresses:
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            failure = error
            continue
        try:
            _prepare(sock, settings)
            announce(sock)
            start_ns = time.monotonic_ns()
            sock.connect(address)
            return sock, start_ns, time.monotonic_ns()
        except OSError as error:
            sock.close()
            failure = error
    raise SystemCallError(attempt, failure) from failure


def listen(settings: Settings) -> socket.socket:
    """Return a listening socket that does not block; raise SystemCallError when there cannot be one."""
    host = settings.bind or _ANY[settings.family]
    attempt = f"listen on {host} port {settings.port} over {settings.family}"
    wanted = socket.AF_INET if settings.family == "ipv4" else socket.AF_INET6
    flags = socket.AI_PASSIVE | (socket.AI_V4MAPPED if settings.family == "dual" else 0)
    family, address = _resolve(host, settings.port, wanted, flags, attempt)[0]
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(settings.family == "ipv6"))
        _prepare(sock, settings)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise SystemCallError(attempt, error) from error
    return sock
