"""All rounds with one peer over one family: repeat a failed round, then notify the peer that no more probes follow.

    PROBING -> BACKING_OFF -> PROBING -> ... -> FINISHING -> FINISHED

A state machine like `netem.probe.round`, likewise without sockets and clocks.
"""

from collections.abc import Callable
from enum import Enum

from netem.probe.channel import Channel, Outgoing
from netem.probe.config import ProbeConfig
from netem.probe.message import Command, Request, decode_reply, encode_request
from netem.probe.results import DirectionResult, judge_direction
from netem.probe.retry import RetryPolicy
from netem.probe.round import REQUEST_PAUSE_NS, ProbeRound


class SeriesState(Enum):
    """The state of a series; the value completes "peer NAME: ..."."""

    PROBING = "probing"
    BACKING_OFF = "backing off before retry"
    FINISHING = "waiting for its sidecar to confirm the last round"
    FINISHED = "finished"


class ProbeSeries:
    """Run rounds until both directions pass or the retry policy ends; the last round's results count.

    `new_session` returns a random 63-bit number for each round.
    """

    def __init__(self, config: ProbeConfig, new_session: Callable[[], int], retry: RetryPolicy | None = None) -> None:
        self.config = config
        self.state = SeriesState.PROBING
        self.results: tuple[DirectionResult, ...] = ()
        self.round_trips_ns: tuple[int, ...] = ()
        self.clock_offset_ns: tuple[int, int] | None = None
        self._new_session = new_session
        self._retry = retry or RetryPolicy()
        self._rounds = 0
        self._deadline_ns: int | None = None
        self._next_round()

    @property
    def ok(self) -> bool:
        """Whether both directions passed."""
        return bool(self.results) and all(result.ok for result in self.results)

    @property
    def finished(self) -> bool:
        """Whether the peer has confirmed the end; nothing is sent from then on."""
        return self.state == SeriesState.FINISHED

    @property
    def status(self) -> str:
        """What the series is doing, for an error message."""
        return self._round.state.value if self.state == SeriesState.PROBING else self.state.value

    @property
    def next_deadline_ns(self) -> int | None:
        """When to call `on_deadline`; None before the start and after the end."""
        return self._round.next_deadline_ns if self.state == SeriesState.PROBING else self._deadline_ns

    def start(self, now_ns: int) -> list[Outgoing]:
        """Begin the first round."""
        return self._round.start(now_ns)

    def on_deadline(self, now_ns: int) -> list[Outgoing]:
        """Do what is due once `next_deadline_ns` has passed."""
        match self.state:
            case SeriesState.PROBING:
                return self._round.on_deadline(now_ns)
            case SeriesState.BACKING_OFF:
                self._next_round()
                self.state = SeriesState.PROBING
                return self._round.start(now_ns)
            case SeriesState.FINISHING:
                return self._finish(now_ns)
            case SeriesState.FINISHED:
                return []

    def on_datagram(self, data: bytes, received_ns: int, now_ns: int) -> list[Outgoing]:
        """Process a datagram that the kernel received at `received_ns`. Raises SidecarError, as a round does."""
        if self.state == SeriesState.PROBING:
            outgoing = self._round.on_datagram(data, received_ns, now_ns)
            return [*outgoing, *self._conclude_round(now_ns)] if self._round.measurement else outgoing
        if self.state == SeriesState.FINISHING:
            reply = decode_reply(data)
            if reply is not None and (reply.command, reply.session) == (Command.FINISH, self._session):
                self.state, self._deadline_ns = SeriesState.FINISHED, None
        return []

    def on_sent(self, sent_ns: int) -> None:
        """Record when the kernel sent the last probe; call it after each datagram of the channel PROBE."""
        self._round.on_sent(sent_ns)

    def _next_round(self) -> None:
        self._rounds += 1
        self._session = self._new_session()
        self._round = ProbeRound(self.config, self._session)

    def _conclude_round(self, now_ns: int) -> list[Outgoing]:
        """Judge the round that has just been measured; back off before the next one, or finish."""
        measured = self._round.measurement
        assert measured is not None
        config = self.config
        self.results = tuple(
            judge_direction(each, config.peer, config.family) for each in (measured.egress, measured.ingress)
        )
        self.round_trips_ns = measured.round_trips_ns
        self.clock_offset_ns = measured.clock_offset_ns
        pause_ns = None if self.ok else self._retry.pause_ns(self._rounds, measured.longest_ns)
        if pause_ns is None:
            self.state = SeriesState.FINISHING
            return self._finish(now_ns)
        self.state, self._deadline_ns = SeriesState.BACKING_OFF, now_ns + pause_ns
        return []

    def _finish(self, now_ns: int) -> list[Outgoing]:
        self._deadline_ns = now_ns + REQUEST_PAUSE_NS
        return [Outgoing(Channel.CONTROL, encode_request(Request(Command.FINISH, self._session)))]
