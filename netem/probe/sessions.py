"""The record of the peers' probes: which arrived and how late, and which series have finished."""

from collections import OrderedDict

from netem.probe.delays import summarize
from netem.probe.message import ECHO, PROBE, Command, Egress, Probe, Reply, Request

MAX_SESSIONS = 64
MAX_PROBES = 100_000
"""Bounds on the memory that unsolicited datagrams can make this process use."""


class ProbeSessions:
    """Record probes by session; an old session makes room for a new one."""

    def __init__(self) -> None:
        self._delays_ns: OrderedDict[int, dict[int, int]] = OrderedDict()
        self._finished: set[int] = set()

    @property
    def finished(self) -> int:
        """How many series of probes, one per peer and family, have ended."""
        return len(self._finished)

    def echo(self, probe: Probe, received_ns: int, now_ns: int) -> Probe | None:
        """Record a probe and return its echo; None for a duplicate, an echo, or a probe beyond the bound."""
        if probe.kind != PROBE:
            return None
        delays_ns = self._session(probe.session)
        if probe.sequence in delays_ns or len(delays_ns) >= MAX_PROBES:
            return None
        delays_ns[probe.sequence] = received_ns - probe.sent_ns
        return Probe(ECHO, probe.session, probe.sequence, probe.sent_ns, received_ns, now_ns)

    def reply(self, request: Request, egress: Egress, now_ns: int) -> Reply:
        """Return the reply to a control request."""
        delays_ns = self._delays_ns.get(request.session, {})
        return Reply(request.command, request.session, egress, len(delays_ns), summarize(delays_ns.values()), now_ns)

    def finish(self, request: Request) -> bool:
        """Record the end of a series; return whether this is new, because a peer repeats its request."""
        new = request.session not in self._finished and len(self._finished) < MAX_SESSIONS
        if request.command != Command.FINISH or not new:
            return False
        self._finished.add(request.session)
        return True

    def _session(self, session: int) -> dict[int, int]:
        """Return the one-way delays of a session by sequence number."""
        if session not in self._delays_ns:
            if len(self._delays_ns) >= MAX_SESSIONS:
                self._delays_ns.popitem(last=False)
            self._delays_ns[session] = {}
        return self._delays_ns[session]
