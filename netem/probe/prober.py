"""Probe one peer over one family: greet, send, ask for the report, judge both directions.

    resolve -> hello (repeated until the peer's link is up) -> probes -> all echoes or time-out -> report -> verdict

A round that fails is repeated: a busy host delays, a wrong link stays wrong. After the last one the peer is told that
its link is probed no more.
"""

import os
import socket  # noqa: TC003 - annotations are read at run time too
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from netem.contract.errors import SidecarError
from netem.contract.for_probes import for_probes
from netem.contract.ports import CONTROL_PORT, PROBE_PORT
from netem.contract.settings import Family
from netem.engines.resources import read_resources
from netem.probe.message import (
    ECHO,
    FRAME_OVERHEAD_BYTES,
    PROBE,
    PROBE_BYTES,
    Probe,
    decode_control,
    decode_probe,
    encode_control,
    encode_probe,
)
from netem.probe.model import Expectation, Plan, depends_on_arrivals, expect, given_fewer, plan
from netem.probe.resolver import Resolver
from netem.probe.sockets import open_socket, receive, send
from netem.probe.verdict import Delays, judge, loss_interval, summarize
from netem.spec import Impairment, format_impairment, parse
from netem.system.reactor import Reactor, Timer

_ROUNDS, _LONG_ROUNDS = 5, 3
_LONG_NS = 1_000_000_000
"""Probes that are under way for longer than this are sent fewer times: the sidecar has a deadline."""
_FIRST_PAUSE_NS = 50_000_000
"""Before a second round; twice that before the next. What made the host busy, such as a container's start, takes longer
than a round."""
_HELLO_FIRST_NS, _HELLO_LAST_NS = 5_000_000, 50_000_000
_REPORT_RETRY_NS = 20_000_000
_GRACE_NS = 200_000_000
"""How long after the last possible arrival a probe counts as lost: several times what a busy host delays."""


class Prober:
    """Measure and judge the link to `peer`; `on_done` once, when both directions are as asked or the rounds are up."""

    def __init__(
        self,
        reactor: Reactor,
        peer: str,
        family: Family,
        *,
        impairment: Impairment,
        probes: int,
        late_tolerance_ns: int,
        on_done: Callable[["Prober"], None],
    ) -> None:
        self.peer = peer
        self.family = family
        self.results: list[dict[str, Any]] = []
        self.round_trips_ns: list[int] = []
        self.clock_offset_ns: tuple[int, int] | None = None
        """Between which values the peer's clock is ahead of this one: it answered after the question and before the
        answer came, and neither is impaired."""
        self.stage = "resolve its name"
        self.done = False
        self._reactor = reactor
        self._impairment = for_probes(impairment)
        self._probes = probes
        self._late_tolerance_ns = late_tolerance_ns
        self._on_done = on_done
        self._resolver = Resolver(reactor, peer, family, self._begin)
        self._socket: socket.socket | None = None
        self._address = ""
        self._timer: Timer | None = None
        self._round = 0
        self._session = 0
        self._plan = Plan(0, 0)
        self._expected: dict[str, tuple[Impairment, Expectation]] = {}
        self._sent_ns: list[int] = []
        self._echoes: dict[int, Probe] = {}
        self._ingress_ns: list[int] = []
        self._requested_ns = 0

    @property
    def ok(self) -> bool:
        """Whether both directions were as asked."""
        return bool(self.results) and all(result["ok"] for result in self.results)

    def start(self) -> None:
        """Begin."""
        self._resolver.start()

    def close(self) -> None:
        """Stop, wherever it is."""
        self._resolver.close()
        self._cancel()
        if self._socket is not None:
            self._reactor.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _begin(self, address: str) -> None:
        opened = open_socket(self.family, 0)
        if opened is None:
            raise SidecarError(
                f"probe {self.peer}", f"this namespace has no {self.family}", "leave it out of NETEM_FAMILIES"
            )
        self._socket = opened
        self._address = address
        self._reactor.add_reader(opened.fileno(), self._hear)
        self._new_round()
        self.stage = f"hear from its sidecar at {address}"
        self._greet(_HELLO_FIRST_NS)

    def _new_round(self) -> None:
        self._round += 1
        self._session = int.from_bytes(os.urandom(8), "big") >> 1
        self._sent_ns, self._echoes, self._ingress_ns, self.round_trips_ns = [], {}, [], []

    def _greet(self, pause_ns: int) -> None:
        self._control("hello")
        self._later(pause_ns, lambda: self._greet(min(2 * pause_ns, _HELLO_LAST_NS)))

    def _control(self, kind: str) -> None:
        if self._socket is not None:
            message = encode_control({"kind": kind, "session": self._session})
            send(self._socket, message, (self._address, CONTROL_PORT))

    def _later(self, delay_ns: int, callback: Callable[[], None]) -> None:
        self._cancel()
        self._timer = self._reactor.call_later(delay_ns, callback)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hear(self) -> None:
        while self._socket is not None and (datagram := receive(self._socket)) is not None:
            probe = decode_probe(datagram.data)
            if probe is not None:
                self._take_echo(probe, datagram.received_ns)
                continue
            message = decode_control(datagram.data)
            if message is None or message["session"] != self._session:
                continue
            if message.get("kind") == "helloed" and self.stage.startswith("hear"):
                self._prepare(message["impairment"])
            elif message.get("kind") == "reported" and self.stage.startswith("get"):
                self._compare_clocks(message, datagram.received_ns)
                self._conclude(message)
            elif message.get("kind") == "finished" and self.stage.startswith("take"):
                self.done = True
                self.close()
                self._on_done(self)

    def _prepare(self, ingress_text: str) -> None:
        """Work out what to send and what to expect, then send."""
        egress, ingress = self._impairment, for_probes(parse(ingress_text))
        self._plan = plan((egress, ingress), self._probes, self._frame_bytes)
        for direction, impairment in (("egress", egress), ("ingress", ingress)):
            self._expected[direction] = impairment, self._expect(impairment, self._plan.times_ns)
        self._cancel()
        self.stage = "send probes"
        self._send(0, time.monotonic_ns())

    @property
    def _longest_ns(self) -> int:
        return sum(expected.longest_ns for _, expected in self._expected.values())

    @property
    def _frame_bytes(self) -> int:
        return PROBE_BYTES + FRAME_OVERHEAD_BYTES[self.family]

    def _expect(self, impairment: Impairment, sent_ns: Sequence[int]) -> Expectation:
        return expect(impairment, sent_ns, self._frame_bytes, read_resources(impairment))

    def _send(self, sequence: int, began_ns: int) -> None:
        if self._socket is None:
            return
        self._sent_ns.append(time.monotonic_ns())
        probe = Probe(PROBE, self._session, sequence, self._sent_ns[-1])
        send(self._socket, encode_probe(probe), (self._address, PROBE_PORT))
        if sequence + 1 < self._plan.probes:
            at_ns = began_ns + (sequence + 1) * self._plan.pace_ns
            self._timer = self._reactor.call_at(at_ns, lambda: self._send(sequence + 1, began_ns))
            return
        self.stage = "wait for its echoes"
        self._later(self._longest_ns + _GRACE_NS, self._ask_report)
        self._check_all_in()

    def _take_echo(self, echo: Probe, received_ns: int) -> None:
        if echo.kind != ECHO or echo.session != self._session or echo.sequence in self._echoes:
            return
        self._echoes[echo.sequence] = echo
        self._ingress_ns.append(received_ns - echo.echoed_ns)
        self.round_trips_ns.append(received_ns - echo.sent_ns - (echo.echoed_ns - echo.received_ns))
        self._check_all_in()

    def _check_all_in(self) -> None:
        if self.stage.startswith("wait") and len(self._echoes) == self._plan.probes:
            self._ask_report()

    def _ask_report(self) -> None:
        if not self.stage.startswith("get"):
            self._requested_ns = time.monotonic_ns()
        self.stage = "get its report"
        self._control("report")
        self._later(_REPORT_RETRY_NS, self._ask_report)

    def _compare_clocks(self, report: dict[str, Any], received_ns: int) -> None:
        there_ns = report.get("monotonic_ns")
        if isinstance(there_ns, int):
            self.clock_offset_ns = there_ns - received_ns, there_ns - self._requested_ns

    def _conclude(self, report: dict[str, Any]) -> None:
        egress = Delays(**report["delays"]) if report["delays"] else None
        received = int(report["received"])
        self.results = [
            self._result("egress", self._sent_ns, received, egress),
            # Only what arrived there was sent back.
            self._result(
                "ingress", self._echoed_ns(received, egress), len(self._ingress_ns), summarize(self._ingress_ns)
            ),
        ]
        if not self.ok and self._round < (_ROUNDS if self._longest_ns < _LONG_NS else _LONG_ROUNDS):
            self.stage = "find a quieter moment"
            self._later(_FIRST_PAUSE_NS << (self._round - 1), self._repeat)
            return
        self._take_leave()

    def _repeat(self) -> None:
        self._new_round()
        self.stage = "hear from its sidecar again"
        self._greet(_HELLO_FIRST_NS)

    def _take_leave(self) -> None:
        self.stage = "take leave of its sidecar"
        self._control("finish")
        self._later(_REPORT_RETRY_NS, self._take_leave)

    def _echoed_ns(self, received: int, egress: Delays | None) -> list[int]:
        """Return when the peer echoed; of an echo that did not come back, when that must have been about."""
        known = [echo.echoed_ns for echo in self._echoes.values()]
        missing = [at_ns for sequence, at_ns in enumerate(self._sent_ns) if sequence not in self._echoes]
        delay_ns = egress.p50 if egress else 0
        return sorted([*known, *(at_ns + delay_ns for at_ns in missing[: max(0, received - len(known))])])

    def _result(self, direction: str, sent_ns: Sequence[int], received: int, delays: Delays | None) -> dict[str, Any]:
        impairment, planned = self._expected[direction]
        sent = len(sent_ns)
        if depends_on_arrivals(impairment):
            expected = self._expect(impairment, sent_ns)
        else:
            expected = given_fewer(planned, sent, self._plan.probes)
        verdict = judge(expected, sent, received, delays, self._late_tolerance_ns)
        low, high = loss_interval(sent, received)
        return {
            "peer": self.peer,
            "family": self.family,
            "direction": direction,
            "sent": sent,
            "received": received,
            "loss_interval": [round(low, 4), round(high, 4)],
            "requested": format_impairment(impairment),
            "delay_ns": asdict(delays) if delays else None,
            "ok": verdict.ok,
            "sentence": verdict.sentence,
        }
