"""Progress of an endpoint from samples of its sockets: bytes written and read, open connections, idle.

Bytes written are those that write() accepted: acknowledged plus queued. Bytes read are those that read() returned:
received minus queued. The kernel counts SYN and FIN as one byte each; both are subtracted.
"""

from dataclasses import dataclass

from netem.observe.inet_diag import TcpSocket
from netem.observe.tcp_info import NAMES

PROGRESS_INTERVAL_NS = 200_000_000
FINAL_STATS_GRACE_NS = 100_000_000
"""How long `idle` waits for the final counters of a connection that has left the table.

The kernel reports them from a work queue, and only after the application has closed its descriptor.
"""
_BYTES_ACKED = NAMES.index("bytes_acked")
_BYTES_RECEIVED = NAMES.index("bytes_received")
_FIN_SENT = frozenset({4, 5, 9, 11})  # FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING
_FIN_RECEIVED = frozenset({8, 9, 11})  # CLOSE_WAIT, LAST_ACK, CLOSING
_CLOSE = 7


def bytes_written(sample: TcpSocket, *, active: bool) -> int:
    """Return the bytes that write() accepted on this connection; `active` when this side sent the first SYN.

    bytes_acked + send queue is write_seq minus the first unacknowledged number, which is the SYN on the active side
    (tcp_ack(), tcp_create_openreq_child()). A destroyed socket is assumed to have sent its FIN.
    """
    if len(sample.info) <= _BYTES_ACKED:
        return 0
    fin = sample.state in _FIN_SENT or sample.state == _CLOSE
    return max(0, sample.info[_BYTES_ACKED] + sample.send_queue_bytes - active - fin)


def bytes_read(sample: TcpSocket) -> int:
    """Return the bytes that read() returned on this connection.

    The FIN is part of bytes_received (tcp_rcv_nxt_update() takes its end_seq) and of the queue until it is read, so it
    is subtracted only when the queue is empty. A destroyed socket is assumed to have received its FIN.
    """
    if len(sample.info) <= _BYTES_RECEIVED:
        return 0
    fin = (sample.state in _FIN_RECEIVED or sample.state == _CLOSE) and not sample.receive_queue_bytes
    return max(0, sample.info[_BYTES_RECEIVED] - sample.receive_queue_bytes - fin)


@dataclass(frozen=True, slots=True)
class Progress:
    """The sums over all connections so far."""

    bytes_written: int = 0
    bytes_read: int = 0
    connections: int = 0


class ProgressTracker:
    """Sum up the connections on one port, and detect when the last one has ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._bytes: dict[int, tuple[int, int]] = {}
        """Bytes written and read of each connection that has not ended, by cookie."""
        self._ended_bytes = (0, 0)
        self._open: set[int] = set()
        self._missing_since_ns: dict[int, int] = {}
        """When a connection disappeared from the samples whose final counters are still to come, by cookie."""
        self._connection_count = 0
        self._reported = Progress()
        self._reported_at_ns: int | None = None
        self._idle_reported_at_count = 0
        self._idle_requested = False

    @property
    def current(self) -> Progress:
        """Return the sums as of the last sample."""
        written = self._ended_bytes[0] + sum(each[0] for each in self._bytes.values())
        read = self._ended_bytes[1] + sum(each[1] for each in self._bytes.values())
        return Progress(written, read, len(self._open))

    @property
    def connection_count(self) -> int:
        """Return how many connections there have been so far."""
        return self._connection_count

    def matches(self, sample: TcpSocket) -> bool:
        """Whether the socket is a connection on the port; a listener is not."""
        return sample.id.remote_port != 0 and self._port in (sample.id.local_port, sample.id.remote_port)

    def sample(self, sockets: list[TcpSocket], now_ns: int) -> None:
        """Process a sample of all connections on the port."""
        self._open = {sample.id.cookie for sample in sockets if sample.connected}
        for sample in sockets:
            self._update(sample)
        for cookie in self._bytes.keys() - self._open:
            self._missing_since_ns.setdefault(cookie, now_ns)

    def ended(self, sample: TcpSocket) -> None:
        """Process the final counters of a connection."""
        self._open.discard(sample.id.cookie)
        self._update(sample)
        self._missing_since_ns.pop(sample.id.cookie, None)
        last = self._bytes.pop(sample.id.cookie, (0, 0))
        self._ended_bytes = (self._ended_bytes[0] + last[0], self._ended_bytes[1] + last[1])

    def request_idle(self) -> None:
        """Request one `idle` as soon as no connection is left, even if there never was one."""
        self._idle_requested = True

    def due_progress(self, now_ns: int, *, final: bool = False) -> Progress | None:
        """Return the sums when they have changed and the last report is long enough ago."""
        current = self.current
        too_soon = self._reported_at_ns is not None and now_ns - self._reported_at_ns < PROGRESS_INTERVAL_NS
        if current == self._reported or (too_soon and not final):
            return None
        self._reported, self._reported_at_ns = current, now_ns
        return current

    def due_idle(self, now_ns: int) -> bool:
        """Whether to report `idle` now.

        No connection is left, and a new one has ended since the last `idle`, or `request_idle` was called.
        """
        if self._open or not (self._idle_requested or self._connection_count > self._idle_reported_at_count):
            return False
        if any(now_ns - since_ns < FINAL_STATS_GRACE_NS for since_ns in self._missing_since_ns.values()):
            return False
        self._idle_requested, self._idle_reported_at_count = False, self._connection_count
        return True

    def _update(self, sample: TcpSocket) -> None:
        cookie = sample.id.cookie
        if not sample.info:
            return
        if cookie not in self._bytes:
            self._connection_count += 1
        active = sample.id.remote_port == self._port
        written, read = self._bytes.get(cookie, (0, 0))
        self._bytes[cookie] = (max(written, bytes_written(sample, active=active)), max(read, bytes_read(sample)))
