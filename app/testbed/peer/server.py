"""The server: accept, and serve each connection in a thread, until a stop signal.

The main thread only waits for signals, so that nothing that blocks, such as a standard error without a reader, can
prevent the stop. A second thread accepts; each connection has its own thread (receiver.py).
"""

import os
import select
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from testbed.peer.contract import DONE, FAILED
from testbed.peer.descriptor import reserve_standard_descriptors
from testbed.peer.errors import PeerError, SystemCallError
from testbed.peer.options import Options, help_requested, help_text, read_options
from testbed.peer.output import Output, print_error
from testbed.peer.receiver import Accepted, Receiver
from testbed.peer.recorder import CallRecorder
from testbed.peer.sockets import describe, listen
from testbed.peer.stop import Stop

MAX_LOGS: Final = 16
"""Connections with an event log; each log may occupy some MiB of memory."""
CONNECTIONS_STOP_S: Final = 0.6
"""Time for the connections to end after a stop signal; the whole program has one second."""
_ACCEPTOR_STOP_S: Final = 0.1
"""Time for the accepting thread to end; it needs more only if it is stuck."""
_SPARE_DESCRIPTORS: Final = 64
"""Descriptors reserved for standard streams, event logs and the listening socket; without them accept would fail."""
_STACK_BYTES: Final = 512 * 1024
"""1024 threads then reserve half a GiB of address space instead of eight."""
_EXHAUSTED_RETRY_S: Final = 0.05


class Server:
    """Listen, serve, stop; `serve` returns the exit code."""

    def __init__(self, options: Options, output: Output, stop: Stop) -> None:
        self._options = options
        self._output = output
        self._stop = stop
        self._first_recorder = CallRecorder(options.events)
        self._listener = listen(options)
        self._lock = threading.Lock()
        self._receivers: dict[Receiver, threading.Thread] = {}
        self._accepted = 0
        spare = os.sysconf("SC_OPEN_MAX") - _SPARE_DESCRIPTORS
        self._max_connections = max(1, min(options.max_connections, spare))
        self._exhausted = False
        self._stop_fd = os.eventfd(0)
        self._failure: PeerError | None = None

    def serve(self) -> int:
        """Serve until a stop signal arrives or standard output fails."""
        where = describe(self._listener.getsockname())
        print_error("server", f"listening on {where} over {self._options.family}")
        acceptor = threading.Thread(target=self._accept_all, name="accept", daemon=True)
        acceptor.start()
        while not self._stop.requested.is_set() and self._failure is None:
            self._stop.wait()
        self._stop.requested.set()
        os.eventfd_write(self._stop_fd, 1)
        acceptor.join(2 * _ACCEPTOR_STOP_S)
        self._end_connections(time.monotonic() + CONNECTIONS_STOP_S)
        if self._failure is not None:
            print_error("server", self._failure)
        return DONE if self._failure is None else FAILED

    def _accept_all(self) -> None:
        """Accept until a stop is requested; connections that arrived before are accepted and then shut down."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._stop_fd, select.POLLIN)
        while not self._stop.requested.is_set():
            poll.poll()
            self._accept()
        deadline_s = time.monotonic() + _ACCEPTOR_STOP_S
        while self._accept() and time.monotonic() < deadline_s:
            pass
        self._listener.close()

    def _accept(self) -> bool:
        """Accept one connection and start serving it; return whether there was one."""
        start_ns = time.monotonic_ns()
        try:
            sock, address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # the peer has closed it already
        except OSError as error:
            if not self._exhausted and not self._stop.requested.is_set():
                print_error("server", f"accept a connection: {error.strerror}")
            self._exhausted = True
            self._stop.requested.wait(_EXHAUSTED_RETRY_S)
            return False
        self._exhausted = False
        accepted = Accepted(sock, describe(address), start_ns, time.monotonic_ns())
        with self._lock:
            connections = len(self._receivers)
        if connections >= self._max_connections:
            self._refuse(accepted, f"{connections} connections are open")
        else:
            self._start_receiver(accepted)
        return True

    def _refuse(self, accepted: Accepted, reason: str) -> None:
        print_error("server", f"peer {accepted.peer}: refused, {reason}")
        accepted.socket.close()

    def _start_receiver(self, accepted: Accepted) -> None:
        accepted.socket.setblocking(True)
        self._accepted += 1
        receiver = Receiver(accepted, self._options, self._next_recorder(), self._output, self._stop.requested)
        thread = threading.Thread(target=receiver.run, args=(self._done,), name=accepted.peer, daemon=True)
        try:
            with self._lock:  # until it has started: a thread that is found there can be joined
                self._receivers[receiver] = thread
                thread.start()
        except RuntimeError as error:
            self._refuse(accepted, str(error))
            receiver.abandon()
            self._done(receiver, None)

    def _next_recorder(self) -> CallRecorder:
        """Return the recorder of the connection accepted last: PATH, PATH.2, ... PATH.16, then none."""
        if self._accepted == 1:
            return self._first_recorder
        if not self._options.events or self._accepted > MAX_LOGS:
            return CallRecorder("")
        try:
            return CallRecorder(f"{self._options.events}.{self._accepted}")
        except SystemCallError as error:
            print_error("server", error)
            return CallRecorder("")

    def _done(self, receiver: Receiver, failure: SystemCallError | None) -> None:
        with self._lock:
            self._receivers.pop(receiver, None)
        if failure is not None:
            self._failure = failure
            self._stop.wake()

    def _end_connections(self, deadline_s: float) -> None:
        """Shut down every connection and wait for its thread; write the event log of a thread that is stuck."""
        with self._lock:
            receivers = dict(self._receivers)
        for receiver in receivers:
            receiver.shutdown()
        for receiver, thread in receivers.items():
            thread.join(max(0.0, deadline_s - time.monotonic()))
            if thread.is_alive():
                receiver.abandon()
        if self._accepted == 0:
            self._first_recorder.close()


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the server; return its exit code."""
    reserve_standard_descriptors()
    output = Output()
    try:
        if help_requested(arguments):
            output.lines(help_text("server").splitlines())
            return DONE
        options = read_options("server", arguments, environment)
        threading.stack_size(_STACK_BYTES)
        with Stop() as stop:
            return Server(options, output, stop).serve()
    except PeerError as error:
        print_error("server", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
