"""Answer the probes of others: echo them, note when they came, say what this side does to its egress, hear the end."""

import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict

from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.contract.settings import FAMILIES
from netem.probe.message import ECHO, PROBE, Probe, decode_control, decode_probe, encode_control, encode_probe
from netem.probe.sockets import open_socket, receive, send
from netem.probe.verdict import summarize
from netem.system.reactor import Reactor

_MAX_SESSIONS = 64
_MAX_PROBES = 100_000
"""Bounds on what strangers can make this process remember."""


class Responder:
    """Serve the probe port and the control port on both families.

    `describe` gives the impairment's text; `on_finished` hears that a peer has probed this end for good.
    """

    def __init__(self, reactor: Reactor, describe: Callable[[], str], on_finished: Callable[[], None]) -> None:
        """Open the ports. Raises SidecarError."""
        self._reactor = reactor
        self._describe = describe
        self._on_finished = on_finished
        self._sessions: OrderedDict[int, dict[int, int]] = OrderedDict()
        self._finished: set[int] = set()
        self._sockets: list[socket.socket] = []
        for family in FAMILIES:
            for port, serve in ((PROBE_PORT, self._echo), (CONTROL_PORT, self._control)):
                opened = open_socket(family, port)
                if opened is not None:
                    self._sockets.append(opened)
                    reactor.add_reader(opened.fileno(), lambda opened=opened, serve=serve: serve(opened))  # type: ignore[misc]

    @property
    def finished(self) -> int:
        """How many probers, one a peer and family, have said that they are done."""
        return len(self._finished)

    def close(self) -> None:
        """Close the ports."""
        while self._sockets:
            opened = self._sockets.pop()
            self._reactor.remove_reader(opened.fileno())
            opened.close()

    def _echo(self, opened: socket.socket) -> None:
        while (datagram := receive(opened)) is not None:
            probe = decode_probe(datagram.data)
            if probe is None or probe.kind != PROBE:
                continue
            arrivals = self._arrivals(probe.session)
            if probe.sequence in arrivals or len(arrivals) >= _MAX_PROBES:
                continue
            arrivals[probe.sequence] = datagram.received_ns - probe.sent_ns
            echo = Probe(ECHO, *probe[1:4], datagram.received_ns, time.monotonic_ns())
            send(opened, encode_probe(echo), datagram.address)

    def _control(self, opened: socket.socket) -> None:
        while (datagram := receive(opened)) is not None:
            message = decode_control(datagram.data)
            if message is None or message.get("kind") not in ("hello", "report", "finish"):
                continue
            arrivals = self._sessions.get(message["session"], {})
            delays = summarize(list(arrivals.values()))
            answer = {
                "kind": message["kind"] + "ed",
                "session": message["session"],
                "impairment": self._describe(),
                "received": len(arrivals),
                "delays": asdict(delays) if delays else None,
                "monotonic_ns": time.monotonic_ns(),
            }
            send(opened, encode_control(answer), datagram.address)
            if message["kind"] == "finish":
                self._finish(message["session"])

    def _finish(self, session: int) -> None:
        """Note the end once: a peer says it until it has been answered."""
        if session not in self._finished and len(self._finished) < _MAX_SESSIONS:
            self._finished.add(session)
            self._on_finished()

    def _arrivals(self, session: int) -> dict[int, int]:
        """Return the one-way delays of a session by sequence number; the oldest session makes room."""
        arrivals = self._sessions.get(session)
        if arrivals is None:
            if len(self._sessions) >= _MAX_SESSIONS:
                self._sessions.popitem(last=False)
            arrivals = self._sessions[session] = {}
        return arrivals
