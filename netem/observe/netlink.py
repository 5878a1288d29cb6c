"""Sockets of NETLINK_SOCK_DIAG: query TCP sockets, receive destroyed ones. Each is bound to one namespace."""

import errno
import os
import socket

from netem.contract.errors import SidecarError, from_os_error
from netem.observe import inet_diag
from netem.observe.inet_diag import SocketId, TcpSocket

_NETLINK_SOCK_DIAG = 4
_GROUP_TCP_DESTROY = (1, 3)  # SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY
_RECEIVE_BYTES = 1 << 18
_HINT = "use a kernel with CONFIG_INET_DIAG"


class SocketDiagnosis:
    """Query the TCP sockets of this namespace."""

    def __init__(self) -> None:
        """Open the socket. Raises SidecarError."""
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
            self._socket.bind((0, 0))
            self._socket.settimeout(2)
        except OSError as error:
            raise from_os_error("query the state of sockets", error, _HINT) from error

    def dump(self, states: int) -> list[TcpSocket]:
        """Return all sockets in `states`, of both families. Raises SidecarError."""
        found: list[TcpSocket] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            found += self._query(inet_diag.dump_request(family, states))
        return found

    def look_up(self, id_: SocketId) -> TcpSocket | None:
        """Return one socket; None when it no longer exists. Raises SidecarError."""
        found = self._query(inet_diag.exact_request(id_), single=True)
        return found[0] if found else None

    def destroy(self, id_: SocketId) -> None:
        """End one socket without a word to its peer where there is none; one that is gone already is no error.

        Raises SidecarError.
        """
        self._query(inet_diag.destroy_request(id_))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _query(self, request: bytes, *, single: bool = False) -> list[TcpSocket]:
        found: list[TcpSocket] = []
        try:
            self._socket.send(request)
            while True:
                response = inet_diag.decode(self._socket.recv(_RECEIVE_BYTES))
                found += response.sockets
                if response.done or (single and found):
                    break
        except OSError as error:
            raise from_os_error("query the state of sockets", error, _HINT) from error
        if response.error not in (0, errno.ENOENT):
            raise SidecarError("query the state of sockets", os.strerror(response.error), _HINT)
        return found


def destroy_connections() -> list[str]:
    """End all TCP connections of this namespace, TIME_WAIT included; return a sentence if some are left.

    Raises SidecarError.
    """
    diagnosis = SocketDiagnosis()
    try:
        for each in diagnosis.dump(inet_diag.ALL_BUT_LISTENING):
            diagnosis.destroy(each.id)
        left = diagnosis.dump(inet_diag.ALL_BUT_LISTENING)
    finally:
        diagnosis.close()
    return [f"{len(left)} sockets are left, in {', '.join(sorted({_state(each) for each in left}))}"] if left else []


def _state(sample: TcpSocket) -> str:
    return inet_diag.STATES.get(sample.state, str(sample.state))


class DestroyedSockets:
    """Receive every TCP socket that is destroyed, with its final counters, however short-lived it was."""

    def __init__(self) -> None:
        """Join the kernel's multicast group. Raises SidecarError."""
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG)
            self._socket.bind((0, sum(1 << (group - 1) for group in _GROUP_TCP_DESTROY)))
        except OSError as error:
            raise from_os_error("receive destroyed sockets", error, "add the capability NET_ADMIN") from error

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> list[TcpSocket]:
        """Return the sockets destroyed since the last call; never blocks."""
        ended: list[TcpSocket] = []
        while True:
            try:
                ended += inet_diag.decode(self._socket.recv(_RECEIVE_BYTES)).sockets
            except BlockingIOError:
                return ended
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # The kernel dropped some messages; the next dump shows which sockets remain.

    def close(self) -> None:
        """Leave the group."""
        self._socket.close()
