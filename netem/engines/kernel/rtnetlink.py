"""Send one request to NETLINK_ROUTE and check its acknowledgement."""

import os
import socket
import struct

from netem.contract.errors import SidecarError, from_os_error
from netem.system.tc import hint_for

_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_NLMSG_ERROR = 2
_HEADER_BYTES = 16
_MESSAGE_ATTRIBUTE = 1
_TIMEOUT_S = 5.0


def send_request(attempt: str, request: bytes) -> None:
    """Send `request` and wait for its acknowledgement. Raises SidecarError with `attempt` and the kernel's message."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            sock.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            sock.settimeout(_TIMEOUT_S)
            sock.send(request)
            answer = sock.recv(65_536)
    except OSError as error:
        raise from_os_error(attempt, error) from error
    message = error_message(answer)
    if message:
        raise SidecarError(attempt, message, hint_for(message))


def error_message(answer: bytes) -> str:
    """Return the kernel's error message, its own where it has one; empty for an acknowledgement."""
    _, kind = struct.unpack_from("=IH", answer)
    if kind != _NLMSG_ERROR:
        return f"unexpected message of type {kind}"
    (number,) = struct.unpack_from("=i", answer, _HEADER_BYTES)
    if not number:
        return ""
    # The header of the request follows the number (NETLINK_CAP_ACK omits its body), then attributes.
    return _words(answer[_HEADER_BYTES + 4 + _HEADER_BYTES :]) or os.strerror(-number)


def _words(attributes: bytes) -> str:
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if length < 4:
            break
        if kind == _MESSAGE_ATTRIBUTE:
            return attributes[4:length].rstrip(b"\0").decode(errors="replace")
        attributes = attributes[(length + 3) & ~3 :]
    return ""
