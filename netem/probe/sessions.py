"""The record of the peers' probes: which arrived and how late, and which series have finished."""

from collections import OrderedDict

from netem.probe.delays import summarize
from netem.probe.message import ECHO, PROBE, Command, Egress, Probe, Reply, Request
from netem.probe.send_times import SendTimes, Sent

MAX_SESSIONS = 64
MAX_PROBES = 100_000
"""Of one session. All sessions together have at most two such: unsolicited datagrams must not exhaust the memory."""


class _Session:
    """The probes of one round: when each was sent and received, and the echo sent last."""

    def __init__(self) -> None:
        self.received_ns: dict[int, int] = {}
        self.probes = SendTimes()
        self.last_echo = Sent()

    @property
    def delays_ns(self) -> list[int]:
        """The one-way delays of the probes."""
        return [at_ns - self.probes[sequence] for sequence, at_ns in self.received_ns.items()]


class ProbeSessions:
    """Record probes by session; an old session makes room for a new one."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[int, _Session] = OrderedDict()
        self._finished: set[int] = set()
        self._probes = 0

    @property
    def finished(self) -> int:
        """How many series of probes, one per peer and family, have ended."""
        return len(self._finished)

    def echo(self, probe: Probe, received_ns: int, now_ns: int) -> Probe | None:
        """Record a probe and return its echo; None for a duplicate, an echo, or a probe beyond the bound."""
        if probe.kind != PROBE:
            return None
        session = self._session(probe.session)
        if probe.sequence in session.received_ns or len(session.received_ns) >= MAX_PROBES:
            return None
        self._make_room(probe.session)
        self._probes += 1
        session.received_ns[probe.sequence] = received_ns
        session.probes.add(probe, probe.sent_ns)
        return Probe(ECHO, probe.session, probe.sequence, probe.sent_ns, received_ns, now_ns, *session.last_echo)

    def on_sent(self, echo: Probe, sent_ns: int) -> None:
        """Record when the kernel sent an echo, for the next one to carry."""
        self._session(echo.session).last_echo = Sent(echo.sequence, sent_ns)

    def reply(self, request: Request, egress: Egress, now_ns: int) -> Reply:
        """Return the reply to a control request."""
        session = self._sessions.get(request.session)
        delays_ns = session.delays_ns if session is not None else []
        return Reply(request.command, request.session, egress, len(delays_ns), summarize(delays_ns), now_ns)

    def finish(self, request: Request) -> bool:
        """Record the end of a series; return whether this is new, because a peer repeats its request."""
        new = request.session not in self._finished and len(self._finished) < MAX_SESSIONS
        if request.command != Command.FINISH or not new:
            return False
        self._finished.add(request.session)
        return True

    def _session(self, number: int) -> _Session:
        if number not in self._sessions:
            if len(self._sessions) >= MAX_SESSIONS:
                self._drop_oldest()
            self._sessions[number] = _Session()
        return self._sessions[number]

    def _make_room(self, number: int) -> None:
        """Drop old sessions, but not this one, until all together have room for a probe."""
        while self._probes >= 2 * MAX_PROBES and next(iter(self._sessions)) != number:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, session = self._sessions.popitem(last=False)
        self._probes -= len(session.received_ns)
