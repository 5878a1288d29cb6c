"""One round of probes with one peer, as a state machine: datagrams and `now_ns` in, datagrams and a deadline out.

    GREETING -> SENDING -> AWAITING_ECHOES -> AWAITING_REPORT -> MEASURED

GREETING repeats a hello until the peer replies with the impairment of its egress. SENDING sends one probe per deadline.
AWAITING_ECHOES ends with the last echo, or when the longest possible round trip is over. AWAITING_REPORT repeats the
request for the peer's report; echoes still count until the report arrives. A random session number per round rejects
datagrams of other rounds.

This module uses no socket and no clock.
"""

from enum import Enum

from netem.contract.errors import from_spec_error
from netem.contract.for_probes import for_probes
from netem.probe.channel import Channel, Outgoing
from netem.probe.config import ProbeConfig
from netem.probe.delays import summarize
from netem.probe.echoes import Echoes
from netem.probe.measurement import Direction, DirectionMeasurement, DirectionModel, Measurement
from netem.probe.message import (
    ECHO,
    PROBE,
    Command,
    Egress,
    Probe,
    Reply,
    Request,
    decode_probe,
    decode_reply,
    encode_probe,
    encode_request,
)
from netem.probe.model import Plan, plan
from netem.probe.send_times import Sent
from netem.spec import Impairment, SpecError, parse

FIRST_HELLO_PAUSE_NS, MAX_HELLO_PAUSE_NS = 5_000_000, 50_000_000
REQUEST_PAUSE_NS = 20_000_000
GRACE_NS = 200_000_000
"""A probe counts as lost this long after its last possible arrival: several times the delay that a busy host adds."""


class RoundState(Enum):
    """The state of a round; the value completes "peer NAME: ..."."""

    GREETING = "waiting for its sidecar to answer"
    SENDING = "sending probes"
    AWAITING_ECHOES = "waiting for echoes"
    AWAITING_REPORT = "waiting for its report"
    MEASURED = "measured"


class ProbeRound:
    """Run one round; `measurement` is set when `state` is MEASURED."""

    def __init__(self, config: ProbeConfig, session: int) -> None:
        self.state = RoundState.GREETING
        self.next_deadline_ns: int | None = None
        self.measurement: Measurement | None = None
        self._config = config
        self._session = session
        self._hello_pause_ns = FIRST_HELLO_PAUSE_NS
        self._plan = Plan(0, 0)
        self._models: tuple[DirectionModel, ...] = ()
        self._sent_ns: list[int] = []
        self._last_sent = Sent()
        self._echoes = Echoes()
        self._report_requested_ns = 0
        self._ingress_tolerance_ns = config.delay_tolerance_ns

    def start(self, now_ns: int) -> list[Outgoing]:
        """Begin with a hello."""
        return self.on_deadline(now_ns)

    def on_deadline(self, now_ns: int) -> list[Outgoing]:
        """Do what is due once `next_deadline_ns` has passed."""
        match self.state:
            case RoundState.GREETING:
                self.next_deadline_ns = now_ns + self._hello_pause_ns
                self._hello_pause_ns = min(2 * self._hello_pause_ns, MAX_HELLO_PAUSE_NS)
                return [self._request(Command.HELLO)]
            case RoundState.SENDING:
                return [self._send_probe(now_ns)]
            case RoundState.AWAITING_ECHOES:
                self.state = RoundState.AWAITING_REPORT
                self._report_requested_ns = now_ns
                return self._request_report(now_ns)
            case RoundState.AWAITING_REPORT:
                return self._request_report(now_ns)
            case RoundState.MEASURED:
                return []

    def on_datagram(self, data: bytes, received_ns: int, now_ns: int) -> list[Outgoing]:
        """Process a datagram that the kernel received at `received_ns`.

        Raises SidecarError when the peer's impairment cannot be modelled.
        """
        probe = decode_probe(data)
        if probe is not None:
            return self._on_echo(probe, received_ns, now_ns)
        reply = decode_reply(data)
        if reply is None or reply.session != self._session:
            return []
        if reply.command == Command.HELLO and self.state == RoundState.GREETING:
            self._plan_probes(reply.egress)
            self.state = RoundState.SENDING
            # The first deadline passes at once; planning took long, so the first probe reads the clock again.
            self.next_deadline_ns = now_ns
        elif reply.command == Command.REPORT and self.state == RoundState.AWAITING_REPORT:
            self.measurement = self._measure(reply, received_ns)
            self.state = RoundState.MEASURED
            self.next_deadline_ns = None
        return []

    def on_sent(self, sent_ns: int) -> None:
        """Record when the kernel sent the last probe: it replaces the time at which it was to be sent."""
        self._sent_ns[-1] = sent_ns
        self._last_sent = Sent(len(self._sent_ns) - 1, sent_ns)

    def _request(self, command: Command) -> Outgoing:
        return Outgoing(Channel.CONTROL, encode_request(Request(command, self._session)))

    def _request_report(self, now_ns: int) -> list[Outgoing]:
        self.next_deadline_ns = now_ns + REQUEST_PAUSE_NS
        return [self._request(Command.REPORT)]

    def _plan_probes(self, ingress: Egress) -> None:
        """Choose the probes to send and compute the bounds for both directions."""
        config = self._config
        try:
            impairment = for_probes(parse(ingress.impairment))
            self._plan = plan((config.impairment, impairment), config.probes, config.frame_bytes)
            self._models = (self._model("egress", config.impairment), self._model("ingress", impairment))
        except SpecError as error:
            raise from_spec_error(f"model the link to {config.peer}", error) from error
        self._ingress_tolerance_ns = max(config.delay_tolerance_ns, ingress.delay_tolerance_ns)

    def _model(self, direction: Direction, impairment: Impairment) -> DirectionModel:
        planned = self._config.expect(impairment, self._plan.times_ns)
        return DirectionModel(direction, impairment, self._plan, planned)

    @property
    def _longest_ns(self) -> int:
        return sum(model.planned.longest_ns for model in self._models)

    def _send_probe(self, now_ns: int) -> Outgoing:
        sequence = len(self._sent_ns)
        self._sent_ns.append(now_ns)
        if len(self._sent_ns) < self._plan.probes:
            self.next_deadline_ns = self._sent_ns[0] + len(self._sent_ns) * self._plan.pace_ns
        else:
            self.state = RoundState.AWAITING_ECHOES
            self.next_deadline_ns = now_ns + self._longest_ns + GRACE_NS
        previous, previous_ns = self._last_sent
        probe = Probe(PROBE, self._session, sequence, now_ns, previous=previous, previous_ns=previous_ns)
        return Outgoing(Channel.PROBE, encode_probe(probe))

    def _on_echo(self, echo: Probe, received_ns: int, now_ns: int) -> list[Outgoing]:
        """Record an echo; once all probes have come back, request the report without further delay."""
        if echo.kind != ECHO or echo.session != self._session:
            return []
        if echo.sequence < len(self._sent_ns):
            self._echoes.add(echo, received_ns)
        if self.state == RoundState.AWAITING_ECHOES and len(self._echoes) == self._plan.probes:
            return self.on_deadline(now_ns)
        return []

    def _measure(self, report: Reply, received_ns: int) -> Measurement:
        egress, ingress = self._models
        expect = self._config.expect
        # The peer echoes only the probes that arrive.
        echoed_ns = self._echoes.sent_ns(self._sent_ns, report)
        return Measurement(
            DirectionMeasurement(
                "egress",
                egress.impairment,
                egress.expected(self._sent_ns, expect),
                len(self._sent_ns),
                report.received,
                report.delays,
                self._config.delay_tolerance_ns,
            ),
            DirectionMeasurement(
                "ingress",
                ingress.impairment,
                ingress.expected(echoed_ns, expect),
                len(echoed_ns),
                len(self._echoes),
                summarize(self._echoes.delays_ns),
                self._ingress_tolerance_ns,
            ),
            self._longest_ns,
            self._echoes.round_trips_ns(self._sent_ns),
            (report.monotonic_ns - received_ns, report.monotonic_ns - self._report_requested_ns),
        )
