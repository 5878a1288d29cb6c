"""One connection of the server, in a thread of its own: receive, decode, print, pause, until the stream ends."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from testbed.peer.errors import SystemCallError
from testbed.peer.events import EventLog, Op
from testbed.peer.options import Settings
from testbed.peer.output import SOME_NODES, Output, complain, list_lines
from testbed.wire import Decoder, ListEnd, Node, RemoteError

_INTERRUPTIBLE_US: Final = 100_000
"""A pause from this length on can be cut short; below it, time.sleep is the more exact."""


class _StoppedError(Exception):
    """The server was told to stop."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A connection as accept gave it; the times are CLOCK_MONOTONIC around that call."""

    socket: socket.socket
    peer: str
    start_ns: int
    end_ns: int


class Receiver:
    """Serve one connection; `stopping` ends its pauses, `shutdown` its blocked receive call."""

    def __init__(
        self, accepted: Accepted, settings: Settings, log: EventLog, output: Output, stopping: threading.Event
    ) -> None:
        self._socket = accepted.socket
        self._peer = accepted.peer
        self._settings = settings
        self._log = log
        self._output = output
        self._stopping = stopping
        self._decoder = Decoder(caps=settings.caps, lists=settings.repeat, keep=settings.content == "keep")
        self._nodes: list[Node] = []
        self._kept_nodes = self._nodes_to_keep()
        log.add(Op.ACCEPT, accepted.start_ns, accepted.end_ns)

    def _nodes_to_keep(self) -> int:
        """Return how many nodes of a list are held until it is complete."""
        if self._settings.content == "keep" or self._settings.print == "all":
            return self._settings.max_nodes
        return SOME_NODES if self._settings.print == "some" else 0

    def run(self, when_done: Callable[["Receiver", SystemCallError | None], None]) -> None:
        """Serve to the end, whatever the peer does; `when_done` gets an error only when the server cannot go on."""
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
            return  # the peer was faster

    def abandon(self) -> None:
        """Close what its thread cannot close, because it never began or is stuck; may be called by another thread."""
        self._close()

    def _serve(self) -> None:
        try:
            self._receive()
            self._decoder.finish()
        except RemoteError as error:
            self._complain(str(error))
        except _StoppedError:
            self._complain(f"stopped {self._decoder.position}: the server was told to stop")
        except MemoryError:
            self._complain(f"no-memory {self._decoder.position}: the server has no memory for this list")
        except OSError as error:
            self._complain(f"reset {self._decoder.position}: {error.strerror or error}")
        else:
            self._output.line("Ending connection")

    def _receive(self) -> None:
        """Receive to the end of the stream; raise RemoteError, OSError, or _StoppedError when told to stop."""
        buffer = bytearray(self._settings.read_bytes)
        view = memoryview(buffer)
        clock, receive, note, feed = time.monotonic_ns, self._socket.recv_into, self._log.add, self._decoder.feed
        delay_us, stopping = self._settings.read_delay_us, self._stopping
        nodes, kept_nodes = self._nodes, self._kept_nodes
        while True:
            start_ns = clock()
            try:
                size = receive(buffer)
            except OSError:
                note(Op.READ, start_ns, clock())
                if stopping.is_set():
                    raise _StoppedError from None
                raise
            note(Op.READ if size else Op.EOF, start_ns, clock(), size)
            if stopping.is_set():
                raise _StoppedError
            if not size:
                return
            for event in feed(view[:size]):
                if isinstance(event, ListEnd):
                    self._print(event)
                elif len(nodes) < kept_nodes:
                    nodes.append(event)
            if delay_us:
                self._pause(delay_us)

    def _print(self, end: ListEnd) -> None:
        settings = self._settings
        printed = {"all": end.count, "some": SOME_NODES, "none": 0}[settings.print]
        self._output.lines(list_lines(self._nodes[:printed], end, verbose=settings.verbose))
        self._nodes.clear()
        # A read may bring thousands of tiny lists, and hundreds of connections such reads.
        if self._stopping.is_set():
            raise _StoppedError

    def _pause(self, delay_us: int) -> None:
        """Pause as long as asked, a long one only until the server is told to stop."""
        start_ns = time.monotonic_ns()
        if delay_us < _INTERRUPTIBLE_US:
            time.sleep(delay_us / 1e6)
        else:
            self._stopping.wait(delay_us / 1e6)
        self._log.add(Op.SLEEP, start_ns, time.monotonic_ns())

    def _close(self) -> None:
        start_ns = time.monotonic_ns()
        self._socket.close()
        self._log.add(Op.CLOSE, start_ns, time.monotonic_ns())
        try:
            self._log.close()
        except SystemCallError as error:
            complain("server", error)

    def _complain(self, what: str) -> None:
        complain("server", f"peer {self._peer}: {what}")
