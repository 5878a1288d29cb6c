"""The server: accept, one thread a connection, until told to stop.

The main thread only waits for signals, so that nothing which blocks (a standard error that nobody reads) keeps it from
stopping. Another one accepts; what a peer does is the business of its own thread (receiver.py).
"""

import os
import select
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from testbed.peer.contract import DONE, FAILED
from testbed.peer.descriptor import hold_standard
from testbed.peer.errors import PeerError, SystemCallError
from testbed.peer.events import EventLog
from testbed.peer.options import Settings, asks_for_help, help_text, read_settings
from testbed.peer.output import Output, complain
from testbed.peer.receiver import Accepted, Receiver
from testbed.peer.sockets import describe, listen
from testbed.peer.stop import Stop

MAX_LOGS: Final = 16
"""Connections whose events are logged; each log may hold some MiB of memory."""
STOP_WITHIN_S: Final = 0.6
"""What is left to the connections when the server was told to stop; the whole program has a second."""
_ACCEPTOR_WITHIN_S: Final = 0.1
"""What is left to the thread that accepts; it needs more only when it is stuck."""
_SPARE_DESCRIPTORS: Final = 64
"""Descriptors beside the connections: standard ones, event logs, listening socket; else accept itself would fail."""
_STACK_BYTES: Final = 512 * 1024
"""The threads of 1024 connections then reserve half a GiB of addresses instead of eight."""
_OUT_OF_DESCRIPTORS_PAUSE_S: Final = 0.05


class Server:
    """Listen, serve, stop; `serve` returns the exit status."""

    def __init__(self, settings: Settings, output: Output, stop: Stop) -> None:
        self._settings = settings
        self._output = output
        self._stop = stop
        self._first_log = EventLog(settings.events)
        self._listener = listen(settings)
        self._lock = threading.Lock()
        self._receivers: dict[Receiver, threading.Thread] = {}
        self._accepted = 0
        spare = os.sysconf("SC_OPEN_MAX") - _SPARE_DESCRIPTORS
        self._max_connections = max(1, min(settings.max_connections, spare))
        self._exhausted = False
        self._ending = os.eventfd(0)
        self._failure: PeerError | None = None

    def serve(self) -> int:
        """Serve until a signal comes or standard output is gone."""
        where = describe(self._listener.getsockname())
        complain("server", f"listening on {where} over {self._settings.family}")
        acceptor = threading.Thread(target=self._accept_all, name="accept", daemon=True)
        acceptor.start()
        while not self._stop.requested.is_set() and self._failure is None:
            self._stop.wait()
        self._stop.requested.set()
        os.eventfd_write(self._ending, 1)
        acceptor.join(2 * _ACCEPTOR_WITHIN_S)
        self._end_connections(time.monotonic() + STOP_WITHIN_S)
        if self._failure is not None:
            complain("server", self._failure)
        return DONE if self._failure is None else FAILED

    def _accept_all(self) -> None:
        """Accept until the end; what came before it is still accepted, and then ended like the others."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._ending, select.POLLIN)
        while not self._stop.requested.is_set():
            poll.poll()
            self._accept()
        deadline_s = time.monotonic() + _ACCEPTOR_WITHIN_S
        while self._accept() and time.monotonic() < deadline_s:
            pass
        self._listener.close()

    def _accept(self) -> bool:
        """Accept one connection and begin to serve it; return whether there was one."""
        start_ns = time.monotonic_ns()
        try:
            sock, address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # it went away before we came
        except OSError as error:
            if not self._exhausted and not self._stop.requested.is_set():
                complain("server", f"accept a connection: {error.strerror}")
            self._exhausted = True
            self._stop.requested.wait(_OUT_OF_DESCRIPTORS_PAUSE_S)
            return False
        self._exhausted = False
        accepted = Accepted(sock, describe(address), start_ns, time.monotonic_ns())
        with self._lock:
            connections = len(self._receivers)
        if connections >= self._max_connections:
            self._refuse(accepted, f"{connections} connections are open")
        else:
            self._begin(accepted)
        return True

    def _refuse(self, accepted: Accepted, reason: str) -> None:
        complain("server", f"peer {accepted.peer}: refused, {reason}")
        accepted.socket.close()

    def _begin(self, accepted: Accepted) -> None:
        accepted.socket.setblocking(True)
        self._accepted += 1
        receiver = Receiver(accepted, self._settings, self._next_log(), self._output, self._stop.requested)
        thread = threading.Thread(target=receiver.run, args=(self._done,), name=accepted.peer, daemon=True)
        with self._lock:
            self._receivers[receiver] = thread
        try:
            thread.start()
        except RuntimeError as error:
            self._refuse(accepted, str(error))
            receiver.abandon()
            self._done(receiver, None)

    def _next_log(self) -> EventLog:
        """Return the log of the connection that was accepted last: PATH, PATH.2, ... PATH.16, then none."""
        if self._accepted == 1:
            return self._first_log
        if not self._settings.events or self._accepted > MAX_LOGS:
            return EventLog("")
        try:
            return EventLog(f"{self._settings.events}.{self._accepted}")
        except SystemCallError as error:
            complain("server", error)
            return EventLog("")

    def _done(self, receiver: Receiver, failure: SystemCallError | None) -> None:
        with self._lock:
            self._receivers.pop(receiver, None)
        if failure is not None:
            self._failure = failure
            self._stop.wake()

    def _end_connections(self, deadline_s: float) -> None:
        """Shut every connection down and wait for its thread; one that is stuck at least has its log written."""
        with self._lock:
            left = dict(self._receivers)
        for receiver in left:
            receiver.shutdown()
        for receiver, thread in left.items():
            thread.join(max(0.0, deadline_s - time.monotonic()))
            if thread.is_alive():
                receiver.abandon()
        if self._accepted == 0:
            self._first_log.close()


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the server; return its exit status."""
    hold_standard()
    output = Output()
    try:
        if asks_for_help(arguments):
            output.lines(help_text("server").splitlines())
            return DONE
        settings = read_settings("server", arguments, environment)
        threading.stack_size(_STACK_BYTES)
        with Stop() as stop:
            return Server(settings, output, stop).serve()
    except PeerError as error:
        complain("server", error)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
