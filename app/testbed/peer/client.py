"""The client: connect, send the lists in chunks, wait until the other end has read everything and closes.

The transfer runs in a thread of its own; the main thread waits for its end or for a signal. Told to stop, it shuts the
socket down, which ends any call that the transfer is blocked in.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from testbed.peer.contract import DONE, FAILED
from testbed.peer.descriptor import hold_standard
from testbed.peer.errors import PeerError, SystemCallError
from testbed.peer.events import EventLog, Op
from testbed.peer.options import Settings, asks_for_help, help_text, read_settings
from testbed.peer.output import Output, complain
from testbed.peer.sockets import connect
from testbed.peer.stop import Stop
from testbed.wire import list_bytes, stream_chunks

STOP_WITHIN_S: Final = 0.7
"""What is left to a transfer that was told to stop; the whole program has a second."""
_DROP_BYTES: Final = 4096


class Transfer:
    """One connection from connect to close."""

    def __init__(self, settings: Settings, output: Output) -> None:
        self._settings = settings
        self._output = output
        self._log = EventLog(settings.events)
        self._socket: socket.socket | None = None
        self._stopping = False
        self._failure: PeerError | None = None

    def run(self, stop: Stop) -> int:
        """Do the whole transfer, or what can be done of it until told to stop; return the exit status."""
        thread = threading.Thread(target=self._work, args=(stop,), name="transfer", daemon=True)
        thread.start()
        stop.wait()
        if stop.requested.is_set():
            self._abort()
        thread.join(STOP_WITHIN_S if stop.requested.is_set() else None)
        self._close_log()
        if stop.requested.is_set():
            return DONE
        if self._failure is not None:
            complain("client", self._failure)
        return DONE if self._failure is None else FAILED

    def _abort(self) -> None:
        self._stopping = True
        sock = self._socket
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # not connected yet, or not any more

    def _close_log(self) -> None:
        try:
            self._log.close()
        except SystemCallError as error:
            self._failure = self._failure or error

    def _work(self, stop: Stop) -> None:
        try:
            self._exchange()
        except PeerError as error:
            self._failure = error
        finally:
            stop.wake()

    def _exchange(self) -> None:
        settings = self._settings
        self._output.line(f"Will connect to {settings.host} : {settings.port}")
        sock, start_ns, end_ns = connect(settings, self._announce)
        try:
            self._log.add(Op.CONNECT, start_ns, end_ns)
            self._output.line(f"Sending {list_bytes(settings.nodes, settings.content_bytes)} bytes!")
            self._attempt("send to", self._send, sock)
            self._output.line("Data sent")
            self._attempt("wait for the close of", self._await_close, sock)
        finally:
            start_ns = time.monotonic_ns()
            sock.close()
            self._log.add(Op.CLOSE, start_ns, time.monotonic_ns())

    def _announce(self, sock: socket.socket) -> None:
        self._socket = sock
        if self._stopping:
            raise InterruptedError

    def _attempt(self, what: str, step: Callable[[socket.socket], None], sock: socket.socket) -> None:
        try:
            step(sock)
        except OSError as error:
            settings = self._settings
            where = f"{settings.host} port {settings.port} over {settings.family}"
            raise SystemCallError(f"{what} {where}", error) from error

    def _send(self, sock: socket.socket) -> None:
        """One send call a chunk; a short one is resumed with the rest of its chunk."""
        settings = self._settings
        clock, send, note = time.monotonic_ns, sock.send, self._log.add
        op, verbose = Op.WRITE, settings.verbose
        for chunk in stream_chunks(settings.nodes, settings.content_bytes, settings.repeat, settings.chunk_bytes):
            start_ns = clock()
            try:
                sent = send(chunk)
            except OSError:
                note(op, start_ns, clock())
                raise
            end_ns = clock()
            note(op, start_ns, end_ns, sent)
            if sent < len(chunk):
                end_ns = self._resume(sock, chunk[sent:])
            if verbose:
                self._output.line(f"{len(chunk)} B sent after {(end_ns - start_ns) // 1_000_000} ms")

    def _resume(self, sock: socket.socket, rest: memoryview) -> int:
        end_ns = 0
        while rest:
            start_ns = time.monotonic_ns()
            sent = 0
            try:
                sent = sock.send(rest)
            finally:
                end_ns = time.monotonic_ns()
                self._log.add(Op.WRITE, start_ns, end_ns, sent)
            rest = rest[sent:]
        return end_ns

    def _await_close(self, sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_WR)
        start_ns = time.monotonic_ns()
        while sock.recv(_DROP_BYTES):
            start_ns = time.monotonic_ns()
        self._log.add(Op.EOF, start_ns, time.monotonic_ns())


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the client; return its exit status."""
    hold_standard()
    output = Output()
    try:
        if asks_for_help(arguments):
            output.lines(help_text("client").splitlines())
            return DONE
        settings = read_settings("client", arguments, environment)
        with Stop() as stop:
            return Transfer(settings, output).run(stop)
    except PeerError as error:
        complain("client", error)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
