"""sockets.csv: one line a socket and sample; empty where the kernel told nothing."""

from netem.observe import tcp_info
from netem.observe.inet_diag import MEMORY_NAMES, STATES, TcpSocket

COLUMNS = (
    "monotonic_ns",
    "realtime_ns",
    "cookie",
    "state",
    "family",
    "local_address",
    "local_port",
    "remote_address",
    "remote_port",
    "receive_queue_bytes",
    "send_queue_bytes",
    "shutdown",
    "congestion",
    *MEMORY_NAMES,
    *tcp_info.NAMES,
)
"""`cookie` names a connection for life. Queues: what the application has not read; what the peer has not acknowledged.
Then SO_MEMINFO and tcp_info under the kernel's names: bytes, microseconds, rates in bytes per second."""


def header() -> str:
    """Return the first line."""
    return ",".join(COLUMNS) + "\n"


class RowWriter:
    """Turn sockets into lines; what does not change in a connection's life is formatted once."""

    def __init__(self) -> None:
        self._constant: dict[int, str] = {}

    def row(self, monotonic_ns: int, realtime_ns: int, sample: TcpSocket) -> str:
        """Return one line."""
        cookie = sample.id.cookie
        middle = self._constant.get(cookie)
        if middle is None:
            local, remote = sample.id.addresses()
            family = "ipv4" if sample.id.family == 2 else "ipv6"
            middle = f"{family},{local},{sample.id.local_port},{remote},{sample.id.remote_port}"
            self._constant[cookie] = middle
        info, memory = sample.info, sample.memory
        # An address family counts as told; so do queues. The rest may be short.
        numbers = ",".join(map(str, memory)) if memory else "," * (len(MEMORY_NAMES) - 1)
        missing = "," * (len(tcp_info.NAMES) - len(info))
        details = ",".join(map(str, info)) + missing if info else missing[1:]
        return (
            f"{monotonic_ns},{realtime_ns},{cookie},{STATES.get(sample.state, sample.state)},{middle},"
            f"{sample.receive_queue_bytes},{sample.send_queue_bytes},{sample.shutdown},{sample.congestion},"
            f"{numbers},{details}\n"
        )

    def forget(self, cookie: int) -> None:
        """Forget a connection that has ended."""
        self._constant.pop(cookie, None)
