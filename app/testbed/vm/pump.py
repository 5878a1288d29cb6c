"""Carry a mux over a file descriptor and its channels over sockets: the same loop on the host and in the guest.

Whoever owns a pump calls `step` again and again from one thread; nothing here waits longer than it is told to.
"""

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from testbed.vm.mux import Event, Kind, Mux

_READ_BYTES: Final = 1 << 16
_MAX_PENDING_BYTES: Final = 1 << 20  # so much may wait for the port before sockets are left unread


class PortClosedError(Exception):
    """Report that the other end of the port has gone."""


class _Link:
    """Join one socket to one channel."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unsent = bytearray()
        self.read_over = False
        self.write_over = False


class Pump:
    """Hold a port, its mux and the sockets of its channels."""

    def __init__(self, port_fd: int, on_event: Callable[[Event], None]) -> None:
        self.mux = Mux()
        self._port_fd = port_fd
        self._on_event = on_event
        self._links: dict[int, _Link] = {}
        self._watched: dict[int, Callable[[], None]] = {}
        os.set_blocking(port_fd, False)

    def watch(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Call `on_readable` from `step` whenever `fd` can be read."""
        self._watched[fd] = on_readable

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor."""
        self._watched.pop(fd, None)

    def attach(self, channel: int, sock: socket.socket) -> None:
        """Carry `sock`, which belongs to the pump from here on, over an open channel."""
        sock.setblocking(False)
        self._links[channel] = _Link(sock)

    def drop_all(self) -> None:
        """Close all sockets."""
        for link in self._links.values():
            link.sock.close()
        self._links.clear()

    def step(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` for something to do, and do it; raises PortClosedError and MuxError."""
        poller = select.poll()
        poller.register(self._port_fd, select.POLLIN | (select.POLLOUT if self.mux.pending_bytes else 0))
        for fd in self._watched:
            poller.register(fd, select.POLLIN)
        by_fd = self._register_links(poller)
        for fd, what in poller.poll(timeout_s * 1000):
            if fd == self._port_fd:
                self._serve_port(what)
            elif fd in self._watched:
                self._watched[fd]()
            elif fd in by_fd:
                self._serve_link(by_fd[fd], what)

    def _register_links(self, poller: "select.poll") -> dict[int, int]:
        """Ask for what each link waits for; one that waits for nothing is left out, or its hang-up would spin."""
        by_fd = {}
        room = self.mux.pending_bytes < _MAX_PENDING_BYTES
        for channel, link in self._links.items():
            readable = room and not link.read_over and self.mux.writable_bytes(channel)
            mask = (select.POLLIN if readable else 0) | (select.POLLOUT if link.unsent else 0)
            if mask:
                by_fd[link.sock.fileno()] = channel
                poller.register(link.sock, mask)
        return by_fd

    def _serve_port(self, what: int) -> None:
        if what & select.POLLOUT:
            data = self.mux.take()
            try:
                sent = os.write(self._port_fd, data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise PortClosedError from error
            self.mux.give_back(data[sent:])
        if what & (select.POLLIN | select.POLLHUP | select.POLLERR):
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

    def _handle(self, event: Event) -> None:
        link = self._links.get(event.channel)
        if event.kind is Kind.HELLO:
            self.drop_all()
        elif event.kind is Kind.RESET:
            self._discard(event.channel)
        elif event.kind is Kind.DATA and link is not None:
            link.unsent += event.data
            self._flush(event.channel, link)
        elif event.kind is Kind.END and link is not None:
            link.write_over = True
            self._flush(event.channel, link)
        self._on_event(event)

    def _serve_link(self, channel: int, what: int) -> None:
        link = self._links.get(channel)
        if link is None:
            return
        if what & select.POLLOUT:
            self._flush(channel, link)
        if what & (select.POLLIN | select.POLLHUP | select.POLLERR) and channel in self._links:
            self._read(channel, link)

    def _read(self, channel: int, link: _Link) -> None:
        limit = min(self.mux.writable_bytes(channel), _READ_BYTES)
        if link.read_over or not limit:
            return
        try:
            data = link.sock.recv(limit)
        except BlockingIOError:
            return
        except OSError:
            self._give_up(channel)
            return
        if data:
            self.mux.send(channel, data)
            return
        link.read_over = True
        self.mux.end(channel)
        self._close_if_over(channel, link)

    def _flush(self, channel: int, link: _Link) -> None:
        if link.unsent:
            try:
                sent = link.sock.send(link.unsent)
            except BlockingIOError:
                return
            except OSError:
                self._give_up(channel)
                return
            del link.unsent[:sent]
            self.mux.consumed(channel, sent)
        if link.write_over and not link.unsent:
            with suppress(OSError):
                link.sock.shutdown(socket.SHUT_WR)
            self._close_if_over(channel, link)

    def _close_if_over(self, channel: int, link: _Link) -> None:
        if link.read_over and link.write_over and not link.unsent:
            self._discard(channel)

    def _give_up(self, channel: int) -> None:
        self.mux.reset(channel)
        self._discard(channel)

    def _discard(self, channel: int) -> None:
        link = self._links.pop(channel, None)
        if link is not None:
            link.sock.close()
