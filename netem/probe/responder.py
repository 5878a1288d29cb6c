"""The socket shell that answers the probes of peers: it echoes probes and replies to control requests."""

import socket
import time
from collections.abc import Callable, Mapping

from netem.contract.settings import FAMILIES
from netem.probe.channel import PORTS, Channel
from netem.probe.message import Egress, decode_probe, decode_request, encode_probe, encode_reply
from netem.probe.sessions import ProbeSessions
from netem.probe.sockets import open_socket, receive, send
from netem.system.reactor import Reactor


class Responder:
    """Serve the probe port and the control port over both families.

    `describe` returns the text of this sidecar's egress impairment, `delay_tolerance_ns` is how much later than that it
    may deliver; `on_finished` is called when a peer's probes have
    ended.
    """

    def __init__(
        self,
        reactor: Reactor,
        describe: Callable[[], str],
        delay_tolerance_ns: int,
        on_finished: Callable[[], None],
        ports: Mapping[Channel, int] = PORTS,
    ) -> None:
        """Open the ports. Raises SidecarError."""
        self._reactor = reactor
        self._describe = describe
        self._delay_tolerance_ns = delay_tolerance_ns
        self._on_finished = on_finished
        self._sessions = ProbeSessions()
        self._sockets: list[socket.socket] = []
        for family in FAMILIES:
            for channel, serve in ((Channel.PROBE, self._echo), (Channel.CONTROL, self._reply)):
                opened = open_socket(family, ports[channel])
                if opened is not None:
                    self._sockets.append(opened)
                    reactor.add_reader(opened.fileno(), lambda opened=opened, serve=serve: serve(opened))  # type: ignore[misc]

    @property
    def finished(self) -> int:
        """How many series of probes, one per peer and family, have ended."""
        return self._sessions.finished

    def close(self) -> None:
        """Close the ports."""
        while self._sockets:
            opened = self._sockets.pop()
            self._reactor.remove_reader(opened.fileno())
            opened.close()

    def _echo(self, opened: socket.socket) -> None:
        while (datagram := receive(opened)) is not None:
            probe = decode_probe(datagram.data)
            echo = self._sessions.echo(probe, datagram.received_ns, time.monotonic_ns()) if probe else None
            if echo is None:
                continue
            sent_ns = send(opened, encode_probe(echo), datagram.address)
            if sent_ns is not None:
                self._sessions.on_sent(echo, sent_ns)

    def _reply(self, opened: socket.socket) -> None:
        while (datagram := receive(opened)) is not None:
            request = decode_request(datagram.data)
            if request is None:
                continue
            egress = Egress(self._describe(), self._delay_tolerance_ns)
            reply = self._sessions.reply(request, egress, time.monotonic_ns())
            send(opened, encode_reply(reply), datagram.address)
            if self._sessions.finish(request):
                self._on_finished()
