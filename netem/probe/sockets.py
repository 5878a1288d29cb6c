"""UDP sockets with the times at which the kernel sent and received a datagram, not those at which Python did.

Numbers are from include/uapi/asm-generic/socket.h and include/uapi/linux/net_tstamp.h; the kernel describes them in
Documentation/networking/timestamping.rst.
"""

import errno
import socket
import struct
import time
from typing import Any, NamedTuple

from netem.contract.errors import from_os_error
from netem.contract.settings import Family

_SO_TIMESTAMPNS, _SO_TIMESTAMPING = 35, 37
_TX_SCHED, _SOFTWARE, _OPT_TSONLY = 1 << 8, 1 << 4, 1 << 11
"""Stamp a datagram before the queueing discipline and the redirect to the engine; report the time without the data."""
_TIMESPEC = struct.Struct("@qq")
_MAX_DATAGRAM_BYTES = 65_536
_RECEIVE_BUFFER_BYTES = 1 << 20
_ADDRESS_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_UNREACHABLE = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.EADDRNOTAVAIL})
"""Errors while a peer does not exist yet; the sender repeats its datagram anyway."""
_LOST = _UNREACHABLE | {errno.EAGAIN, errno.ENOBUFS, errno.EINVAL, errno.EACCES}
"""Errors of a datagram that cannot be sent, now or at all: anyone may send a request from port 0."""
_MAX_READING_NS = 5_000
"""Three readings take less than a microsecond unless the process is preempted."""
_CLOCK_ATTEMPTS = 5


class Datagram(NamedTuple):
    """The bytes, the sender's address, and the kernel's receive time on CLOCK_MONOTONIC."""

    data: bytes
    address: Any
    received_ns: int


def open_socket(family: Family, port: int) -> socket.socket | None:
    """Open a non-blocking socket on `port` (0: any free port); None when the namespace lacks the family.

    Raises SidecarError.
    """
    attempt = f"open UDP port {port} for probes over {family}"
    try:
        opened = socket.socket(_ADDRESS_FAMILIES[family], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise from_os_error(attempt, error) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _TX_SCHED | _SOFTWARE | _OPT_TSONLY)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        if family == "ipv6":
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(("", port))
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRNOTAVAIL and family == "ipv6":
            return None
        raise from_os_error(attempt, error, "keep UDP ports 8886 and 8887 free for the sidecar") from error
    return opened


def receive(opened: socket.socket) -> Datagram | None:
    """Return the next datagram; None when the queue is empty."""
    while True:
        try:
            data, ancillary, _, address = opened.recvmsg(_MAX_DATAGRAM_BYTES, 256)
        except BlockingIOError:
            # A send time that came late would keep the descriptor ready.
            _take_send_time_ns(opened)
            return None
        except OSError as error:
            if error.errno in _UNREACHABLE:
                continue
            raise
        return Datagram(data, address, _kernel_time_ns(ancillary, _SO_TIMESTAMPNS) or time.monotonic_ns())


def send(opened: socket.socket, data: bytes, address: Any) -> int | None:  # noqa: ANN401 - the form depends on the family
    """Send a datagram, and return when the kernel did, None if it does not report that.

    A datagram that cannot be sent now counts as lost.
    """
    try:
        opened.sendto(data, address)
    except OSError as error:
        if error.errno not in _LOST:
            raise
        return None
    return _take_send_time_ns(opened)


def _take_send_time_ns(opened: socket.socket) -> int | None:
    """Empty the error queue, and return the newest send time in it: it is there when sendto returns."""
    found = None
    while True:
        try:
            _, ancillary, _, _ = opened.recvmsg(0, 256, socket.MSG_ERRQUEUE)
        except OSError:
            return found
        found = _kernel_time_ns(ancillary, _SO_TIMESTAMPING) or found


def both_clocks() -> tuple[int, int]:
    """Return CLOCK_MONOTONIC and CLOCK_REALTIME at the same instant.

    On a busy host milliseconds may pass between two readings; a datagram would then appear to arrive before it was
    sent.
    """
    readings = []
    for _ in range(_CLOCK_ATTEMPTS):
        before_ns, realtime_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after_ns - before_ns, before_ns, realtime_ns))
        if after_ns - before_ns <= _MAX_READING_NS:
            break
    _, monotonic_ns, realtime_ns = min(readings)
    return monotonic_ns, realtime_ns


def _kernel_time_ns(ancillary: list[tuple[int, int, bytes]], wanted: int) -> int | None:
    """Return the kernel's timestamp of this kind, converted from CLOCK_REALTIME to CLOCK_MONOTONIC; None without it."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == wanted and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            monotonic_ns, realtime_ns = both_clocks()
            age_ns: int = realtime_ns - (seconds * 1_000_000_000 + nanoseconds)
            return monotonic_ns - max(0, age_ns)
    return None
