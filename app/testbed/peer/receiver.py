"""One connection of the server, in its own thread: receive, decode, print, wait the read delay, until the end."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from testbed.peer.errors import SystemCallError
from testbed.peer.options import Options
from testbed.peer.output import SOME_NODES, Output, list_lines, print_error
from testbed.peer.recorder import CallRecorder, Op
from testbed.wire import Decoder, ListEnd, Node, RemoteError

_INTERRUPTIBLE_US: Final = 100_000
"""A read delay from this length on can be interrupted; below it, time.sleep is more exact."""


class _StopRequestedError(Exception):
    """The server is stopping."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A connection that accept returned; the times are CLOCK_MONOTONIC around that call."""

    socket: socket.socket
    peer: str
    start_ns: int
    end_ns: int


class Receiver:
    """Serve one connection; `stopping` ends a read delay, `shutdown` a blocked receive call."""

    def __init__(
        self, accepted: Accepted, options: Options, recorder: CallRecorder, output: Output, stopping: threading.Event
    ) -> None:
        self._socket = accepted.socket
        self._peer = accepted.peer
        self._options = options
        self._recorder = recorder
        self._output = output
        self._stopping = stopping
        self._decoder = Decoder(caps=options.caps, lists=options.repeat, keep=options.content == "keep")
        self._nodes: list[Node] = []
        self._kept_nodes = self._nodes_to_keep()
        recorder.record(Op.ACCEPT, accepted.start_ns, accepted.end_ns)

    def _nodes_to_keep(self) -> int:
        """Return how many nodes of a list are kept until it is complete."""
        if self._options.content == "keep" or self._options.print == "all":
            return self._options.max_nodes
        return SOME_NODES if self._options.print == "some" else 0

    def run(self, when_done: Callable[["Receiver", SystemCallError | None], None]) -> None:
        """Serve until the end of the connection; `when_done` receives an error only if the server cannot continue."""
        failure = None
        try:
            self._serve()
        except SystemCallError as error:
            failure = error
        finally:
            self._close()
            when_done(self, failure)

    def shutdown(self) -> None:
        """End a blocked receive call; may be called by another thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer has closed it already

    def abandon(self) -> None:
        """Close the connection for a thread that never started or is stuck; may be called by another thread."""
        self._close()

    def _serve(self) -> None:
        try:
            self._receive()
            self._decoder.finish()
        except RemoteError as error:
            self._print_error(str(error))
        except _StopRequestedError:
            self._print_error(f"stopped {self._decoder.position}: the server is stopping")
        except MemoryError:
            self._print_error(f"no-memory {self._decoder.position}: out of memory for this list")
        except OSError as error:
            self._print_error(f"reset {self._decoder.position}: {error.strerror or error}")
        else:
            self._output.line("Ending connection")

    def _receive(self) -> None:
        """Receive to the end of the stream; raise RemoteError, OSError, or _StopRequestedError."""
        buffer = bytearray(self._options.read_bytes)
        view = memoryview(buffer)
        clock, receive, record, feed = (
            time.monotonic_ns,
            self._socket.recv_into,
            self._recorder.record,
            self._decoder.feed,
        )
        delay_us, stopping = self._options.read_delay_us, self._stopping
        nodes, kept_nodes = self._nodes, self._kept_nodes
        while True:
            start_ns = clock()
            try:
                size = receive(buffer)
            except OSError:
                record(Op.READ, start_ns, clock())
                if stopping.is_set():
                    raise _StopRequestedError from None
                raise
            record(Op.READ if size else Op.EOF, start_ns, clock(), size)
            if stopping.is_set():
                raise _StopRequestedError
            if not size:
                return
            for event in feed(view[:size]):
                if isinstance(event, ListEnd):
                    self._print(event)
                elif len(nodes) < kept_nodes:
                    nodes.append(event)
            if delay_us:
                self._wait_read_delay(delay_us)

    def _print(self, end: ListEnd) -> None:
        options = self._options
        printed = {"all": end.count, "some": SOME_NODES, "none": 0}[options.print]
        self._output.lines(list_lines(self._nodes[:printed], end, verbose=options.verbose))
        self._nodes.clear()
        # One read may contain thousands of tiny lists, on hundreds of connections at once.
        if self._stopping.is_set():
            raise _StopRequestedError

    def _wait_read_delay(self, delay_us: int) -> None:
        """Wait the read delay; a long one ends early if the server is stopping."""
        start_ns = time.monotonic_ns()
        if delay_us < _INTERRUPTIBLE_US:
            time.sleep(delay_us / 1e6)
        else:
            self._stopping.wait(delay_us / 1e6)
        self._recorder.record(Op.SLEEP, start_ns, time.monotonic_ns())

    def _close(self) -> None:
        start_ns = time.monotonic_ns()
        self._socket.close()
        self._recorder.record(Op.CLOSE, start_ns, time.monotonic_ns())
        try:
            self._recorder.close()
        except SystemCallError as error:
            print_error("server", error)

    def _print_error(self, message: str) -> None:
        print_error("server", f"peer {self._peer}: {message}")
