"""The watch over the endpoint's sockets: samples into sockets.csv, and the events that come of them.

A dump of all connections walks the kernel's whole table (0.15 ms a family with 262,144 buckets), so it is made only
when the number of sockets in use has changed; connections that are known are looked up one by one. What lives shorter
than an interval is told by the kernel when it is destroyed.
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
_LISTEN_HURRY_NS = 3_000_000_000
"""An endpoint that does not listen within this time is looked for less often."""
_DEFAULT_INTERVAL_MS = 100
"""Between looks when no samples are asked for."""
_FLUSH_BYTES = 65_536


class SocketWatch:
    """Sample, and tell `listening`, `progress` and `idle`."""

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
        """Open everything; `on_traffic` hears True with each new connection and False once all have gone.

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
        self._samples = 0
        self._missed = 0
        self._met = 0
        self._began_ns = 0

    def start(self) -> None:
        """Begin to watch."""
        self._began_ns = time.monotonic_ns()
        self._reactor.add_reader(self._destroyed.fileno(), self._hear_of_ends)
        self._look_for_listener()
        self._tick(self._began_ns)

    def ask_idle(self) -> None:
        """Tell `idle` as soon as no connection is left, at once if there is none."""
        self._tracker.ask_idle()
        self._look(discover=True)

    def stop(self) -> dict[str, int]:
        """Take a last sample, write everything out and return the sums."""
        self._look(discover=True)
        self._reactor.remove_reader(self._destroyed.fileno())
        if self._file is not None:
            self._file.close()
        self._diagnosis.close()
        self._destroyed.close()
        for fd in self._usage:
            os.close(fd)
        current = self._tracker.current
        return {
            "samples": self._samples,
            "missed": self._missed,
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

    def _look_for_listener(self) -> None:
        """Dump the listeners whenever the number of sockets has changed: reading the number is cheaper by far."""
        used = self._sockets_in_use()
        if used != self._used_by_listeners:
            self._used_by_listeners = used
            listeners = [each for each in self._diagnosis.dump(LISTENING) if each.id.local_port == self._port]
            if listeners:
                families = {family for each in listeners for family in _families(each)}
                self._log.emit("listening", families=sorted(families))
                return
        if not self._known:
            hurry = time.monotonic_ns() - self._began_ns < _LISTEN_HURRY_NS
            self._reactor.call_later(_LISTEN_POLL_NS if hurry else _LISTEN_SLOW_POLL_NS, self._look_for_listener)

    def _tick(self, due_ns: int) -> None:
        self._look(discover=False)
        # A grid without drift; samples that a busy machine has missed are not made up for.
        missed = max(0, time.monotonic_ns() - due_ns) // self._interval_ns
        if self._known:
            self._missed += missed
        next_ns = due_ns + (missed + 1) * self._interval_ns
        self._reactor.call_at(next_ns, lambda: self._tick(next_ns))

    def _look(self, *, discover: bool) -> None:
        monotonic_ns, realtime_ns = time.monotonic_ns(), time.time_ns()
        sockets = self._connections(discover=discover)
        self._tracker.sample(sockets, monotonic_ns)
        for sample in sockets:
            self._write(monotonic_ns, realtime_ns, sample)
        self._tell(monotonic_ns)

    def _connections(self, *, discover: bool) -> list[TcpSocket]:
        """Return the connections on the port: by one look-up each while nothing has come or gone."""
        used = self._sockets_in_use()
        if used == self._used and not discover:
            found = self._known_connections()
            if found is not None:
                return found
        self._used = used
        found = [each for each in self._diagnosis.dump(CONNECTED) if self._tracker.concerns(each)]
        self._known = {each.id.cookie: each.id for each in found if each.connected}
        return found

    def _sockets_in_use(self) -> list[bytes]:
        return [_tcp_in_use(os.pread(fd, 256, 0)) for fd in self._usage]

    def _known_connections(self) -> list[TcpSocket] | None:
        """Look the known connections up; None when one of them has gone."""
        found: list[TcpSocket] = []
        for id_ in self._known.values():
            sample = self._diagnosis.look_up(id_)
            if sample is None or not sample.connected:
                return None
            found.append(sample)
        return found

    def _hear_of_ends(self) -> None:
        now_ns, realtime_ns = time.monotonic_ns(), time.time_ns()
        ended = [each for each in self._destroyed.read() if self._tracker.concerns(each)]
        for sample in ended:
            self._known.pop(sample.id.cookie, None)
            self._tracker.ended(sample)
            self._write(now_ns, realtime_ns, sample)
            self._rows.forget(sample.id.cookie)
        if ended:
            self._tell(now_ns)

    def _write(self, monotonic_ns: int, realtime_ns: int, sample: TcpSocket) -> None:
        self._samples += 1
        if self._file is not None:
            self._file.write(self._rows.row(monotonic_ns, realtime_ns, sample))

    def _tell(self, now_ns: int) -> None:
        if self._tracker.met != self._met:
            self._met = self._tracker.met
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
