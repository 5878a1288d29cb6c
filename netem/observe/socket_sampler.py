"""Sample the endpoint's sockets: write sockets.csv, and emit `listening`, `progress` and `idle`.

A dump of all connections walks the kernel's whole table (0.15 ms per family with 262,144 buckets). The sampler makes
one only when the number of sockets in use has changed; it looks known connections up one by one. The kernel reports a
socket when it is destroyed, so connections shorter than an interval appear too.
"""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from netem.contract.errors import from_os_error
from netem.contract.events import EventStream
from netem.observe.inet_diag import CONNECTED, LISTENING, SocketId, TcpSocket
from netem.observe.netlink import DestroyedSockets, SocketDiagnosis
from netem.observe.progress import ProgressTracker
from netem.observe.rows import RowWriter, header
from netem.system.reactor import Reactor

_LISTEN_POLL_NS = 5_000_000
_LISTEN_SLOW_POLL_NS = 25_000_000
_LISTEN_FAST_POLL_PERIOD_NS = 3_000_000_000
"""After this time without a listener the sampler polls less often."""
_DEFAULT_INTERVAL_MS = 100
"""Interval of the events when no samples are written."""
_FLUSH_BYTES = 65_536


class SocketSampler:
    """Sample all connections on one port at a fixed interval."""

    def __init__(
        self,
        reactor: Reactor,
        log: EventStream,
        *,
        port: int,
        interval_ms: int,
        folder: Path,
        on_traffic: Callable[[bool], None],
    ) -> None:
        """Open everything; `on_traffic` receives True for each new connection, False when none is left.

        Raises SidecarError.
        """
        self._reactor = reactor
        self._log = log
        self._port = port
        self._interval_ns = (interval_ms or _DEFAULT_INTERVAL_MS) * 1_000_000
        self._diagnosis = SocketDiagnosis()
        self._destroyed = DestroyedSockets()
        self._usage = [os.open(f"/proc/net/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("sockstat", "sockstat6")]
        self._used: list[bytes] = []
        self._used_by_listeners: list[bytes] = []
        self._tracker = ProgressTracker(port)
        self._rows = RowWriter()
        self._known: dict[int, SocketId] = {}
        self._file = self._open_file(folder) if interval_ms else None
        self._on_traffic = on_traffic
        self._sample_count = 0
        self._missed_count = 0
        self._connection_count = 0
        self._started_ns = 0

    def start(self) -> None:
        """Begin to sample."""
        self._started_ns = time.monotonic_ns()
        self._reactor.add_reader(self._destroyed.fileno(), self._on_destroyed)
        self._poll_listeners()
        self._on_tick(self._started_ns)

    def request_idle(self) -> None:
        """Emit `idle` as soon as no connection is left, at once if there is none."""
        self._tracker.request_idle()
        self._sample(discover=True)

    def stop(self) -> dict[str, int]:
        """Take a last sample, write everything out and return the sums."""
        self._sample(discover=True)
        self._reactor.remove_reader(self._destroyed.fileno())
        if self._file is not None:
            self._file.close()
        self._diagnosis.close()
        self._destroyed.close()
        for fd in self._usage:
            os.close(fd)
        current = self._tracker.current
        return {
            "samples": self._sample_count,
            "missed": self._missed_count,
            "bytes_written": current.bytes_written,
            "bytes_read": current.bytes_read,
            "connections": current.connections,
        }

    @staticmethod
    def _open_file(folder: Path) -> TextIO:
        try:
            file = (folder / "sockets.csv").open("w", encoding="ascii", buffering=_FLUSH_BYTES)
        except OSError as error:
            raise from_os_error("write sockets.csv", error, "give the container a writable NETEM_OUTPUT") from error
        file.write(header())
        return file

    def _poll_listeners(self) -> None:
        """Dump the listeners when the number of sockets has changed; reading the number is far cheaper than a dump."""
        used = self._sockets_in_use()
        if used != self._used_by_listeners:
            self._used_by_listeners = used
            listeners = [each for each in self._diagnosis.dump(LISTENING) if each.id.local_port == self._port]
            if listeners:
                families = {family for each in listeners for family in _families(each)}
                self._log.emit("listening", families=sorted(families))
                return
        if not self._known:
            fast = time.monotonic_ns() - self._started_ns < _LISTEN_FAST_POLL_PERIOD_NS
            self._reactor.call_later(_LISTEN_POLL_NS if fast else _LISTEN_SLOW_POLL_NS, self._poll_listeners)

    def _on_tick(self, due_ns: int) -> None:
        self._sample(discover=False)
        # The grid does not drift; samples that a busy machine has missed are skipped.
        missed = max(0, time.monotonic_ns() - due_ns) // self._interval_ns
        if self._known:
            self._missed_count += missed
        next_ns = due_ns + (missed + 1) * self._interval_ns
        self._reactor.call_at(next_ns, lambda: self._on_tick(next_ns))

    def _sample(self, *, discover: bool) -> None:
        monotonic_ns, realtime_ns = time.monotonic_ns(), time.time_ns()
        sockets = self._connections(discover=discover)
        self._tracker.sample(sockets, monotonic_ns)
        for sample in sockets:
            self._write(monotonic_ns, realtime_ns, sample)
        self._report(monotonic_ns)

    def _connections(self, *, discover: bool) -> list[TcpSocket]:
        """Return the connections on the port; one look-up each while the number of sockets stays the same."""
        used = self._sockets_in_use()
        if used == self._used and not discover:
            found = self._known_connections()
            if found is not None:
                return found
        self._used = used
        found = [each for each in self._diagnosis.dump(CONNECTED) if self._tracker.matches(each)]
        self._known = {each.id.cookie: each.id for each in found if each.connected}
        return found

    def _sockets_in_use(self) -> list[bytes]:
        return [_tcp_in_use(os.pread(fd, 256, 0)) for fd in self._usage]

    def _known_connections(self) -> list[TcpSocket] | None:
        """Look up the known connections; None when one of them has ended."""
        found: list[TcpSocket] = []
        for id_ in self._known.values():
            sample = self._diagnosis.look_up(id_)
            if sample is None or not sample.connected:
                return None
            found.append(sample)
        return found

    def _on_destroyed(self) -> None:
        now_ns, realtime_ns = time.monotonic_ns(), time.time_ns()
        ended = [each for each in self._destroyed.read() if self._tracker.matches(each)]
        for sample in ended:
            self._known.pop(sample.id.cookie, None)
            self._tracker.ended(sample)
            self._write(now_ns, realtime_ns, sample)
            self._rows.forget(sample.id.cookie)
        if ended:
            self._report(now_ns)

    def _write(self, monotonic_ns: int, realtime_ns: int, sample: TcpSocket) -> None:
        self._sample_count += 1
        if self._file is not None:
            self._file.write(self._rows.row(monotonic_ns, realtime_ns, sample))

    def _report(self, now_ns: int) -> None:
        if self._tracker.connection_count != self._connection_count:
            self._connection_count = self._tracker.connection_count
            self._on_traffic(True)
        idle = self._tracker.due_idle(now_ns)
        progress = self._tracker.due_progress(now_ns, final=idle)
        if progress is not None:
            self._log.emit(
                "progress",
                bytes_written=progress.bytes_written,
                bytes_read=progress.bytes_read,
                connections=progress.connections,
            )
        if idle:
            self._on_traffic(False)
            self._log.emit("idle")


def _tcp_in_use(sockstat: bytes) -> bytes:
    """Return the number of TCP sockets from /proc/net/sockstat or sockstat6, as its digits."""
    return sockstat.partition(b"TCP")[2].partition(b"inuse ")[2].split(maxsplit=1)[0]


def _families(listener: TcpSocket) -> tuple[str, ...]:
    if listener.id.family == socket.AF_INET:
        return ("ipv4",)
    return ("ipv6",) if listener.v6only else ("ipv4", "ipv6")
