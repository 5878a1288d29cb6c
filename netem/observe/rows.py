"""sockets.csv: one line per socket and sample; a value is empty when the kernel did not report it."""

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
"""`cookie` identifies a connection. The receive queue holds bytes that the application has not read, the send queue
bytes that the peer has not acknowledged. SO_MEMINFO and tcp_info follow under the kernel's names, in bytes,
microseconds, and bytes per second."""


def header() -> str:
    """Return the first line."""
    return ",".join(COLUMNS) + "\n"


class RowWriter:
    """Format sockets as lines; the constant fields of a connection are formatted once."""

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
        # The kernel always reports family and queues; memory and tcp_info may be missing or short.
        numbers = ",".join(map(str, memory)) if memory else "," * (len(MEMORY_NAMES) - 1)
        missing = "," * (len(tcp_info.NAMES) - len(info))
        details = ",".join(map(str, info)) + missing if info else missing[1:]
        return (
            f"{monotonic_ns},{realtime_ns},{cookie},{STATES.get(sample.state, sample.state)},{middle},"
            f"{sample.receive_queue_bytes},{sample.send_queue_bytes},{sample.shutdown},{sample.congestion},"
            f"{numbers},{details}\n"
        )

    def forget(self, cookie: int) -> None:
        """Drop the cached fields of a connection that has ended."""
        self._constant.pop(cookie, None)
