"""A peer's sidecar and the network to it, simulated: a state machine exchanges datagrams with it on a virtual clock."""

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from netem.pipeline import Resources
from netem.probe.channel import Outgoing
from netem.probe.config import ProbeConfig
from netem.probe.message import PROBE, Egress, decode_probe, decode_request, encode_probe, encode_reply
from netem.probe.model import Expectation, expect
from netem.probe.sessions import ProbeSessions
from netem.spec import Impairment, parse

MS = 1_000_000
START_NS = 10**12
MAX_NS = 3600 * 1000 * MS
CONTROL_NS = 100_000
FRAME_BYTES = 106


class Machine(Protocol):
    """The common interface of a round and a series."""

    @property
    def next_deadline_ns(self) -> int | None: ...
    def start(self, now_ns: int) -> list[Outgoing]: ...
    def on_deadline(self, now_ns: int) -> list[Outgoing]: ...
    def on_datagram(self, data: bytes, received_ns: int, now_ns: int) -> list[Outgoing]: ...
    def on_sent(self, sent_ns: int) -> None: ...


def config(text: str = "", probes: int = 5, delay_tolerance_ns: int = 2 * MS) -> ProbeConfig:
    """Return a configuration whose own egress is `text`."""
    return ProbeConfig("server", "ipv4", parse(text), probes, FRAME_BYTES, delay_tolerance_ns, expected)


def expected(impairment: Impairment, sent_ns: Sequence[int]) -> Expectation:
    return expect(impairment, sent_ns, FRAME_BYTES, Resources())


class Network:
    """Deliver datagrams between `machine` and a simulated peer; each datagram has a name such as "hello" or "echo 3".

    `lose` counts how many datagrams of a name to drop; `extra_ns` delays, and `copies` repeats, the next of a name.
    """

    def __init__(
        self, machine: Machine, describe: Callable[[], str] = str, there_ns: int = 0, back_ns: int = 0
    ) -> None:
        self.now_ns = START_NS
        self.sessions = ProbeSessions()
        self.lose: Counter[str] = Counter()
        self.extra_ns: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.sent: list[tuple[str, int]] = []
        """The name of each datagram that the machine sent, and when, relative to the start."""
        self._machine = machine
        self.describe = describe
        self.peer_tolerance_ns = 0
        self.preempted_ns = 0
        """How long after their stamps the kernel sends probes and echoes."""
        self._delays_ns = {"probe": there_ns, "echo": back_ns}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def run(self, watch: Callable[[], None] = lambda: None) -> None:
        """Run until nothing is in transit and the machine waits for no deadline; call `watch` after each event."""
        self._send(self._machine.start(self.now_ns))
        while (event := self._next()) is not None:
            assert self.now_ns < START_NS + MAX_NS, self.sent[-3:]
            event()
            watch()

    def times_us(self, name: str) -> list[int]:
        """Return when the machine sent datagrams of this name, in microseconds from the start."""
        return [at_ns // 1000 for sent, at_ns in self.sent if sent == name]

    def inject(self, data: bytes) -> None:
        """Deliver foreign bytes to the machine now."""
        self._send(self._machine.on_datagram(data, self.now_ns, self.now_ns))

    def _next(self) -> Callable[[], None] | None:
        deadline_ns = self._machine.next_deadline_ns
        if self._events and (deadline_ns is None or self._events[0][0] <= deadline_ns):
            self.now_ns, _, event = heapq.heappop(self._events)
            return event
        if deadline_ns is None:
            return None
        self.now_ns = max(self.now_ns, deadline_ns)
        return lambda: self._send(self._machine.on_deadline(self.now_ns))

    def _send(self, outgoing: list[Outgoing]) -> None:
        for _, data in outgoing:
            self.sent.append((name_of(data), self.now_ns - START_NS))
            self._transmit(data, self._serve)
            if self.preempted_ns and decode_probe(data) is not None:
                self._machine.on_sent(self.now_ns + self.preempted_ns)

    def _transmit(self, data: bytes, deliver: Callable[[bytes], None]) -> None:
        name = name_of(data)
        if self.lose[name]:
            self.lose[name] -= 1
            return
        preempted_ns = self.preempted_ns if decode_probe(data) is not None else 0
        at_ns = (
            self.now_ns
            + preempted_ns
            + self._delays_ns.get(name.split(" ")[0], CONTROL_NS)
            + self.extra_ns.pop(name, 0)
        )
        for _ in range(1 + self.copies.pop(name, 0)):
            heapq.heappush(self._events, (at_ns, next(self._order), lambda: deliver(data)))

    def _serve(self, data: bytes) -> None:
        """Answer as the responder does."""
        probe, request = decode_probe(data), decode_request(data)
        if probe is not None and (echo := self.sessions.echo(probe, self.now_ns, self.now_ns)) is not None:
            self._transmit(encode_probe(echo), self.inject)
            if self.preempted_ns:
                self.sessions.on_sent(echo, self.now_ns + self.preempted_ns)
        if request is not None:
            egress = Egress(self.describe(), self.peer_tolerance_ns)
            self._transmit(encode_reply(self.sessions.reply(request, egress, self.now_ns)), self.inject)
            self.sessions.finish(request)


def name_of(data: bytes) -> str:
    """Return the name of a datagram."""
    probe = decode_probe(data)
    if probe is not None:
        return f"{'probe' if probe.kind == PROBE else 'echo'} {probe.sequence}"
    return str(json.loads(data)["kind"])
