"""The client: connect, send the lists in chunks, wait until the server has read everything and closes.

The transfer runs in its own thread; the main thread waits for its end or for a signal. On a signal it shuts the socket
down, which ends any blocked call of the transfer.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from testbed.peer.contract import DONE, FAILED
from testbed.peer.descriptor import reserve_standard_descriptors
from testbed.peer.errors import PeerError, SystemCallError
from testbed.peer.options import Options, help_requested, help_text, read_options
from testbed.peer.output import Output, print_error
from testbed.peer.recorder import CallRecorder, Op
from testbed.peer.sockets import connect, unacked_bytes
from testbed.peer.stop import Stop
from testbed.wire import list_bytes, stream_chunks

STOP_WITHIN_S: Final = 0.7
"""Time for a transfer to end after a stop signal; the whole program has one second."""
_DISCARD_BYTES: Final = 4096
_ACK_POLL_S: Final = 0.005


class Transfer:
    """One connection from connect to close."""

    def __init__(self, options: Options, output: Output) -> None:
        self._options = options
        self._output = output
        self._recorder = CallRecorder(options.events)
        self._socket: socket.socket | None = None
        self._stopping = False
        self._failure: PeerError | None = None

    def run(self, stop: Stop) -> int:
        """Run the transfer until it ends or a stop is requested; return the exit code."""
        thread = threading.Thread(target=self._run_thread, args=(stop,), name="transfer", daemon=True)
        thread.start()
        stop.wait()
        if stop.requested.is_set():
            self._abort()
        thread.join(STOP_WITHIN_S if stop.requested.is_set() else None)
        self._close_recorder()
        if stop.requested.is_set():
            return DONE
        if self._failure is not None:
            print_error("client", self._failure)
        return DONE if self._failure is None else FAILED

    def _abort(self) -> None:
        self._stopping = True
        sock = self._socket
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # not connected yet, or no longer

    def _close_recorder(self) -> None:
        try:
            self._recorder.close()
        except SystemCallError as error:
            self._failure = self._failure or error

    def _run_thread(self, stop: Stop) -> None:
        try:
            self._transfer()
        except PeerError as error:
            self._failure = error
        finally:
            stop.wake()

    def _transfer(self) -> None:
        options = self._options
        self._output.line(f"Will connect to {options.host} : {options.port}")
        sock, start_ns, end_ns = connect(options, self._register_socket)
        try:
            self._recorder.record(Op.CONNECT, start_ns, end_ns)
            self._output.line(f"Sending {list_bytes(options.nodes, options.content_bytes)} bytes!")
            self._run_step("send to", self._send, sock)
            self._output.line("Data sent")
            self._run_step("wait for the close of", self._await_close, sock)
            self._run_step("wait for the acknowledgement of", self._await_acked, sock)
        finally:
            start_ns = time.monotonic_ns()
            sock.close()
            self._recorder.record(Op.CLOSE, start_ns, time.monotonic_ns())

    def _register_socket(self, sock: socket.socket) -> None:
        self._socket = sock
        if self._stopping:
            raise InterruptedError

    def _run_step(self, attempt: str, step: Callable[[socket.socket], None], sock: socket.socket) -> None:
        try:
            step(sock)
        except OSError as error:
            options = self._options
            where = f"{options.host} port {options.port} over {options.family}"
            raise SystemCallError(f"{attempt} {where}", error) from error

    def _send(self, sock: socket.socket) -> None:
        """Send with one call per chunk; after a partial send, send the rest of that chunk."""
        options = self._options
        clock, send, record = time.monotonic_ns, sock.send, self._recorder.record
        op, verbose = Op.WRITE, options.verbose
        for chunk in stream_chunks(options.nodes, options.content_bytes, options.repeat, options.chunk_bytes):
            start_ns = clock()
            try:
                sent = send(chunk)
            except OSError:
                record(op, start_ns, clock())
                raise
            end_ns = clock()
            record(op, start_ns, end_ns, sent)
            if sent < len(chunk):
                end_ns = self._send_rest(sock, chunk[sent:])
            if verbose:
                self._output.line(f"{len(chunk)} B sent after {(end_ns - start_ns) // 1_000_000} ms")

    def _send_rest(self, sock: socket.socket, rest: memoryview) -> int:
        end_ns = 0
        while rest:
            start_ns = time.monotonic_ns()
            sent = 0
            try:
                sent = sock.send(rest)
            finally:
                end_ns = time.monotonic_ns()
                self._recorder.record(Op.WRITE, start_ns, end_ns, sent)
            rest = rest[sent:]
        return end_ns

    def _await_close(self, sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_WR)
        start_ns = time.monotonic_ns()
        while sock.recv(_DISCARD_BYTES):
            start_ns = time.monotonic_ns()
        self._recorder.record(Op.EOF, start_ns, time.monotonic_ns())

    def _await_acked(self, sock: socket.socket) -> None:
        """Wait until the peer has acknowledged everything; a peer that closed its own direction first may not have.

        The kernel has no event for this. Where the peer closes last, nothing is unacknowledged and nothing waited for.
        """
        while not self._stopping and unacked_bytes(sock):
            time.sleep(_ACK_POLL_S)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the client; return its exit code."""
    reserve_standard_descriptors()
    output = Output()
    try:
        if help_requested(arguments):
            output.lines(help_text("client").splitlines())
            return DONE
        options = read_options("client", arguments, environment)
        with Stop() as stop:
            return Transfer(options, output).run(stop)
    except PeerError as error:
        print_error("client", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
