"""The address of a peer, resolved without blocking; the query is repeated until the name exists."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from netem.contract.settings import Family
from netem.probe import dns
from netem.probe.sockets import receive, send
from netem.system.reactor import Reactor, Timer

_RETRY_NS = 20_000_000
_DNS_PORT = 53


class Resolver:
    """Resolve `name` for `family` and call `on_address` with the address."""

    def __init__(self, reactor: Reactor, name: str, family: Family, on_address: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._name = name
        self._family = family
        self._on_address = on_address
        self._socket: socket.socket | None = None
        self._timer: Timer | None = None
        self._identifier = 0
        self._server = ""

    def start(self) -> None:
        """Look for the address in the name itself, in /etc/hosts, then in DNS."""
        known = dns.literal(self._name, self._family)
        known = known or dns.hosts_entry(_read("/etc/hosts"), self._name, self._family)
        if known is not None:
            self._on_address(known)
            return
        self._server = dns.nameserver(_read("/etc/resolv.conf"))
        family = socket.AF_INET6 if ":" in self._server else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._reactor.add_reader(self._socket.fileno(), self._on_readable)
        self._send_query()

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._reactor.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _send_query(self) -> None:
        if self._socket is None:
            return
        self._identifier = int.from_bytes(os.urandom(2), "big")
        send(self._socket, dns.query(self._identifier, self._name, self._family), (self._server, _DNS_PORT))
        self._timer = self._reactor.call_later(_RETRY_NS, self._send_query)

    def _on_readable(self) -> None:
        while self._socket is not None and (datagram := receive(self._socket)) is not None:
            address = dns.answer(datagram.data, self._identifier, self._family)
            if address is not None:
                self.close()
                self._on_address(address)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
