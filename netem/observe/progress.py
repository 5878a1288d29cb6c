"""From samples of sockets to what a bystander wants to know: bytes written and read, connections, the end.

Bytes written are those that write() took: acknowledged plus still queued. Bytes read are those that read() returned:
received minus still queued. SYN and FIN count as one byte each in the kernel's figures and are taken out.
"""

from dataclasses import dataclass

from netem.observe.inet_diag import TcpSocket
from netem.observe.tcp_info import NAMES

PROGRESS_INTERVAL_NS = 200_000_000
LAST_WORDS_NS = 100_000_000
"""How long `idle` waits for the final figures of a connection that has left the table: the kernel tells them from a
work queue, and only once the application has closed its descriptor."""
_BYTES_ACKED = NAMES.index("bytes_acked")
_BYTES_RECEIVED = NAMES.index("bytes_received")
_FIN_SENT = frozenset({4, 5, 9, 11})  # FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING
_FIN_RECEIVED = frozenset({8, 9, 11})  # CLOSE_WAIT, LAST_ACK, CLOSING
_CLOSE = 7


def bytes_written(sample: TcpSocket, *, active: bool) -> int:
    """Return what write() took on this connection; `active` when this side sent the first SYN.

    bytes_acked + send queue is write_seq minus the first unacknowledged number, which is the SYN on the active side
    (tcp_ack(), tcp_create_openreq_child()). A destroyed socket is taken to have sent its FIN.
    """
    if len(sample.info) <= _BYTES_ACKED:
        return 0
    fin = sample.state in _FIN_SENT or sample.state == _CLOSE
    return max(0, sample.info[_BYTES_ACKED] + sample.send_queue_bytes - active - fin)


def bytes_read(sample: TcpSocket) -> int:
    """Return what read() gave on this connection.

    The FIN is part of bytes_received (tcp_rcv_nxt_update() takes its end_seq) and of the queue until it is read, so it
    is taken out only when the queue is empty. A destroyed socket is taken to have received its FIN.
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
    """Sum up the connections on one port, and notice when the last has gone."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._alive: dict[int, tuple[int, int]] = {}
        """Bytes written and read of each connection that has not ended, by cookie."""
        self._past = (0, 0)
        self._open: set[int] = set()
        self._gone_at_ns: dict[int, int] = {}
        """When each connection was first missed that has not told its final figures."""
        self._met = 0
        self._told = Progress()
        self._told_at_ns: int | None = None
        self._idle_told_at_met = 0
        self._requested = False

    @property
    def current(self) -> Progress:
        """Return the sums as of the last sample."""
        written = self._past[0] + sum(each[0] for each in self._alive.values())
        read = self._past[1] + sum(each[1] for each in self._alive.values())
        return Progress(written, read, len(self._open))

    @property
    def met(self) -> int:
        """Return how many connections there have been."""
        return self._met

    def concerns(self, sample: TcpSocket) -> bool:
        """Whether the socket is a connection on the port: a listener that ends is none."""
        return sample.id.remote_port != 0 and self._port in (sample.id.local_port, sample.id.remote_port)

    def sample(self, sockets: list[TcpSocket], now_ns: int) -> None:
        """Take all connections on the port that exist now."""
        self._open = {sample.id.cookie for sample in sockets if sample.connected}
        for sample in sockets:
            self._note(sample)
        for cookie in self._alive.keys() - self._open:
            self._gone_at_ns.setdefault(cookie, now_ns)

    def ended(self, sample: TcpSocket) -> None:
        """Take the last figures of a connection that has gone."""
        self._open.discard(sample.id.cookie)
        self._note(sample)
        self._gone_at_ns.pop(sample.id.cookie, None)
        last = self._alive.pop(sample.id.cookie, (0, 0))
        self._past = (self._past[0] + last[0], self._past[1] + last[1])

    def ask_idle(self) -> None:
        """Ask for one `idle` as soon as no connection is left, even if there never was one."""
        self._requested = True

    def due_progress(self, now_ns: int, *, final: bool = False) -> Progress | None:
        """Return the sums when they have changed and may be told again."""
        current = self.current
        soon = self._told_at_ns is not None and now_ns - self._told_at_ns < PROGRESS_INTERVAL_NS
        if current == self._told or (soon and not final):
            return None
        self._told, self._told_at_ns = current, now_ns
        return current

    def due_idle(self, now_ns: int) -> bool:
        """Whether it is to be told now that no connection is left: once after each time there was one, or as asked."""
        if self._open or not (self._requested or self._met > self._idle_told_at_met):
            return False
        if any(now_ns - gone_at_ns < LAST_WORDS_NS for gone_at_ns in self._gone_at_ns.values()):
            return False
        self._requested, self._idle_told_at_met = False, self._met
        return True

    def _note(self, sample: TcpSocket) -> None:
        cookie = sample.id.cookie
        if not sample.info:
            return
        if cookie not in self._alive:
            self._met += 1
        active = sample.id.remote_port == self._port
        written, read = self._alive.get(cookie, (0, 0))
        self._alive[cookie] = (max(written, bytes_written(sample, active=active)), max(read, bytes_read(sample)))
