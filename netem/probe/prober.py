"""The socket shell of a probe series: resolve the peer's name, move datagrams, keep the one timer."""

import os
import socket  # noqa: TC003 - annotations are read at run time too
import time
from collections.abc import Callable, Iterable, Mapping

from netem.contract.errors import SidecarError
from netem.probe.channel import PORTS, Channel, Outgoing
from netem.probe.config import ProbeConfig
from netem.probe.resolver import Resolver
from netem.probe.series import ProbeSeries
from netem.probe.sockets import open_socket, receive, send
from netem.system.reactor import Reactor, Timer


class Prober:
    """Run `series` with the peer of `config`; call `on_done` once it has finished."""

    def __init__(
        self,
        reactor: Reactor,
        config: ProbeConfig,
        on_done: Callable[["Prober"], None],
        ports: Mapping[Channel, int] = PORTS,
    ) -> None:
        self.series = ProbeSeries(config, _new_session)
        self._reactor = reactor
        self._on_done = on_done
        self._ports = ports
        self._resolver = Resolver(reactor, config.peer, config.family, self._begin)
        self._socket: socket.socket | None = None
        self._address = ""
        self._timer: Timer | None = None
        self._deadline_ns: int | None = None

    @property
    def done(self) -> bool:
        """Whether the series has finished."""
        return self.series.finished

    @property
    def status(self) -> str:
        """What this prober is doing, for an error message."""
        config = self.series.config
        who = f"{config.peer} over {config.family}"
        return f"{who} ({self._address}): {self.series.status}" if self._address else f"{who}: waiting for its address"

    def start(self) -> None:
        """Resolve the peer's name, then probe. Raises SidecarError."""
        self._resolver.start()

    def close(self) -> None:
        """Stop in any state."""
        self._resolver.close()
        self._set_timer(None)
        if self._socket is not None:
            self._reactor.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _begin(self, address: str) -> None:
        config = self.series.config
        opened = open_socket(config.family, 0)
        if opened is None:
            raise SidecarError(
                f"probe {config.peer}",
                f"this namespace has no {config.family}",
                f"remove {config.family} from NETEM_FAMILIES",
            )
        self._socket = opened
        self._address = address
        self._reactor.add_reader(opened.fileno(), self._on_readable)
        self._send(self.series.start(time.monotonic_ns()))

    def _on_readable(self) -> None:
        while self._socket is not None and (datagram := receive(self._socket)) is not None:
            self._send(self.series.on_datagram(datagram.data, datagram.received_ns, time.monotonic_ns()))

    def _on_timer(self) -> None:
        self._deadline_ns = None
        self._send(self.series.on_deadline(time.monotonic_ns()))

    def _send(self, outgoing: Iterable[Outgoing]) -> None:
        """Send the pending datagrams of the series, then wait for its next deadline."""
        for channel, data in outgoing:
            if self._socket is None:
                continue
            sent_ns = send(self._socket, data, (self._address, self._ports[channel]))
            if channel is Channel.PROBE and sent_ns is not None:
                self.series.on_sent(sent_ns)
        if self.done:
            self.close()
            self._on_done(self)
            return
        self._set_timer(self.series.next_deadline_ns)

    def _set_timer(self, deadline_ns: int | None) -> None:
        if deadline_ns == self._deadline_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._deadline_ns = deadline_ns
        self._timer = None if deadline_ns is None else self._reactor.call_at(deadline_ns, self._on_timer)


def _new_session() -> int:
    """Return a random number of 63 bits."""
    return int.from_bytes(os.urandom(8), "big") >> 1
