"""Connect a mux to a file descriptor and its channels to sockets: the same loop on the host and in the guest.

The owner of a pump calls `step` repeatedly from one thread; nothing here waits longer than the timeout of a step.
"""

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from testbed.vm.mux import FrameType, Mux, MuxEvent

_READ_BYTES: Final = 1 << 16
_MAX_PENDING_BYTES: Final = 1 << 20  # when so much waits for the port, sockets are not read


class PortClosedError(Exception):
    """Report that the other end of the port has gone."""


class _ChannelSocket:
    """The socket of one channel."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unsent = bytearray()
        self.read_closed = False
        self.write_closed = False


class Pump:
    """Serve a port, its mux and the sockets of its channels."""

    def __init__(self, port_fd: int, on_event: Callable[[MuxEvent], None]) -> None:
        self.mux = Mux()
        self._port_fd = port_fd
        self._on_event = on_event
        self._sockets: dict[int, _ChannelSocket] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        os.set_blocking(port_fd, False)

    def watch(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Call `on_readable` from `step` whenever `fd` can be read."""
        self._watched[fd] = on_readable

    def unwatch(self, fd: int) -> None:
        """Stop watching a descriptor."""
        self._watched.pop(fd, None)

    def attach(self, channel: int, sock: socket.socket) -> None:
        """Connect `sock`, which belongs to the pump from now on, to an open channel."""
        sock.setblocking(False)
        self._sockets[channel] = _ChannelSocket(sock)

    def drop_all(self) -> None:
        """Close all sockets."""
        for each in self._sockets.values():
            each.sock.close()
        self._sockets.clear()

    def step(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` for events and handle them; raises PortClosedError and MuxError."""
        poller = select.poll()
        poller.register(self._port_fd, select.POLLIN | (select.POLLOUT if self.mux.pending_bytes else 0))
        for fd in self._watched:
            poller.register(fd, select.POLLIN)
        by_fd = self._register_sockets(poller)
        for fd, ready in poller.poll(timeout_s * 1000):
            if fd == self._port_fd:
                self._serve_port(ready)
            elif fd in self._watched:
                self._watched[fd]()
            elif fd in by_fd:
                self._serve_socket(by_fd[fd], ready)

    def _register_sockets(self, poller: "select.poll") -> dict[int, int]:
        """Register what each socket waits for; one that waits for nothing is left out, or its hang-up would spin."""
        by_fd = {}
        room = self.mux.pending_bytes < _MAX_PENDING_BYTES
        for channel, channel_socket in self._sockets.items():
            readable = room and not channel_socket.read_closed and self.mux.writable_bytes(channel)
            mask = (select.POLLIN if readable else 0) | (select.POLLOUT if channel_socket.unsent else 0)
            if mask:
                by_fd[channel_socket.sock.fileno()] = channel
                poller.register(channel_socket.sock, mask)
        return by_fd

    def _serve_port(self, ready: int) -> None:
        if ready & select.POLLOUT:
            data = self.mux.next_bytes()
            try:
                sent = os.write(self._port_fd, data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise PortClosedError from error
            self.mux.unsent(data[sent:])
        if ready & (select.POLLIN | select.POLLHUP | select.POLLERR):
            try:
                data = os.read(self._port_fd, _READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                raise PortClosedError from error
            if not data:
                raise PortClosedError
            for event in self.mux.feed(data):
                self._handle(event)

    def _handle(self, event: MuxEvent) -> None:
        channel_socket = self._sockets.get(event.channel)
        if event.type is FrameType.HELLO:
            self.drop_all()
        elif event.type is FrameType.RESET:
            self._discard(event.channel)
        elif event.type is FrameType.DATA and channel_socket is not None:
            channel_socket.unsent += event.data
            self._flush(event.channel, channel_socket)
        elif event.type is FrameType.END and channel_socket is not None:
            channel_socket.write_closed = True
            self._flush(event.channel, channel_socket)
        self._on_event(event)

    def _serve_socket(self, channel: int, ready: int) -> None:
        channel_socket = self._sockets.get(channel)
        if channel_socket is None:
            return
        if ready & select.POLLOUT:
            self._flush(channel, channel_socket)
        if ready & (select.POLLIN | select.POLLHUP | select.POLLERR) and channel in self._sockets:
            self._read(channel, channel_socket)

    def _read(self, channel: int, channel_socket: _ChannelSocket) -> None:
        limit = min(self.mux.writable_bytes(channel), _READ_BYTES)
        if channel_socket.read_closed or not limit:
            return
        try:
            data = channel_socket.sock.recv(limit)
        except BlockingIOError:
            return
        except OSError:
            self._abort(channel)
            return
        if data:
            self.mux.send(channel, data)
            return
        channel_socket.read_closed = True
        self.mux.end(channel)
        self._close_if_done(channel, channel_socket)

    def _flush(self, channel: int, channel_socket: _ChannelSocket) -> None:
        if channel_socket.unsent:
            try:
                sent = channel_socket.sock.send(channel_socket.unsent)
            except BlockingIOError:
                return
            except OSError:
                self._abort(channel)
                return
            del channel_socket.unsent[:sent]
            self.mux.consumed(channel, sent)
        if channel_socket.write_closed and not channel_socket.unsent:
            with suppress(OSError):
                channel_socket.sock.shutdown(socket.SHUT_WR)
            self._close_if_done(channel, channel_socket)

    def _close_if_done(self, channel: int, channel_socket: _ChannelSocket) -> None:
        if channel_socket.read_closed and channel_socket.write_closed and not channel_socket.unsent:
            self._discard(channel)

    def _abort(self, channel: int) -> None:
        self.mux.reset(channel)
        self._discard(channel)

    def _discard(self, channel: int) -> None:
        channel_socket = self._sockets.pop(channel, None)
        if channel_socket is not None:
            channel_socket.sock.close()
