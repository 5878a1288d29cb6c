"""Sockets as the kernel would report them."""

from netem.observe.inet_diag import SocketId, TcpSocket
from netem.observe.tcp_info import NAMES

ESTABLISHED, FIN_WAIT1, CLOSE, CLOSE_WAIT = 1, 4, 7, 8


def tcp_socket(
    cookie: int,
    *,
    local_port: int = 40000,
    remote_port: int = 8888,
    state: int = ESTABLISHED,
    acked: int = 0,
    received: int = 0,
    send_queue: int = 0,
    receive_queue: int = 0,
    info_bytes: bool = True,
) -> TcpSocket:
    """Build a socket on 10.0.0.1 that is connected to 10.0.0.2."""
    ports = local_port.to_bytes(2, "big") + remote_port.to_bytes(2, "big")
    addresses = bytes((10, 0, 0, 1)) + bytes(12) + bytes((10, 0, 0, 2)) + bytes(12)
    info = [0] * len(NAMES)
    info[NAMES.index("bytes_acked")] = acked
    info[NAMES.index("bytes_received")] = received
    return TcpSocket(
        id=SocketId(2, ports + addresses + bytes(4) + cookie.to_bytes(8, "little")),
        state=state,
        receive_queue_bytes=receive_queue,
        send_queue_bytes=send_queue,
        memory=tuple(range(9)),
        info=tuple(info) if info_bytes else (),
        shutdown=0,
        congestion="cubic",
        v6only=False,
    )
