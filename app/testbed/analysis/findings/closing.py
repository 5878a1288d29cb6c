"""Closing: who closed the connection, when, with what still unread, and whether it was reset."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import NO_CAPTURE, Answer, Rule
from testbed.analysis.join.observation import End, Observation, Role
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.packets.flags import FIN, RST
from testbed.analysis.packets.model import Frames

EARLY_SHARE: Final = 0.1
QUEUED_S: Final = 0.001
"""A FIN that goes out sooner did not wait."""


@dataclass(frozen=True, slots=True)
class StrayReset(Fact):
    """Both ends had closed; this one answered with RST what came late or twice after that."""

    resets: int
    reset_by: Role


@dataclass(frozen=True, slots=True)
class Reset(Fact):
    """The connection was reset; `unread_bytes` had arrived and were never read, null = not known."""

    resets: int
    reset_by: Role
    by_sender: bool
    unread_bytes: int | None


@dataclass(frozen=True, slots=True)
class NotClosed(Fact):
    """The capture has neither FIN nor RST."""

    fins: int = 0
    resets: int = 0


@dataclass(frozen=True, slots=True)
class ClosedByReceiver(Fact):
    """Only the receiver closed. `acknowledged` says whether everything that was to be sent had been acknowledged."""

    fins: int
    resets: int
    receiver: Role
    sender: Role
    acknowledged: bool
    unread_bytes: int | None


@dataclass(frozen=True, slots=True)
class ClosedEarly(Fact):
    """The sender's program was done `ahead_s` before the receiver had read everything.

    `fin_queued_s` is for how long the FIN waited behind the data, null = not at all.
    """

    ahead_s: float
    ahead_share: float
    fin_queued_s: float | None


@dataclass(frozen=True, slots=True)
class Regular(Fact):
    """The connection was closed in the regular way; `not_closed_by` did not close it while it was observed.

    `late` says that the sender ended the stream when nearly all was read.
    """

    not_closed_by: Role | None
    late: bool


def measure(observation: Observation) -> Answer:
    """Find how the connection ended, unless both ends closed it when nearly all was read."""
    end = observation.wire()
    if end is None or end.connection is None:
        return unobservable(NO_CAPTURE)
    marked = end.connection.frames
    sent = observation.from_sender(marked)
    resets = (marked.tcp_flags & RST) != 0
    fins = (marked.tcp_flags & FIN) != 0
    if resets.any():
        return _reset(end, observation, marked, resets, _closed_at(sent, fins))
    if not fins.any():
        return Measured(
            NotClosed(),
            evidence=frames(end, np.ones(len(marked), np.bool_), "all frames, none with FIN or RST"),
            confidence="medium",
            strength=0.2,
        )
    if not (fins & sent).any():
        return _by_receiver(end, observation, fins)
    return _by_sender(end, observation, marked, fins)


def _closed_at(sent: NDArray[np.bool_], fins: NDArray[np.bool_]) -> int | None:
    """Return at which frame both sides had ended their streams; None when they did not."""
    first = [np.flatnonzero(fins & side) for side in (sent, ~sent)]
    return max(int(side[0]) for side in first) if all(len(side) for side in first) else None


def _reset(
    end: End, observation: Observation, marked: Frames, resets: NDArray[np.bool_], closed_at: int | None
) -> Answer:
    by_sender = bool(observation.from_sender(marked)[resets][0])
    who = observation.sender.role if by_sender else observation.receiver.role
    count = int(resets.sum())
    if closed_at is not None and int(np.flatnonzero(resets)[0]) > closed_at:
        return Measured(
            StrayReset(count, who),
            evidence=frames(end, resets, "RST after the end", "tcp.flags.reset == 1"),
            strength=0.1,
        )
    unread_bytes = _unread_bytes(observation)
    return Measured(
        Reset(count, who, by_sender, unread_bytes),
        evidence=frames(end, resets, "RST", "tcp.flags.reset == 1"),
        not_observed=["what the receiver had not read"] if unread_bytes is None else [],
        strength=0.8,
    )


def _by_receiver(end: End, observation: Observation, fins: NDArray[np.bool_]) -> Answer:
    acknowledged, unread_bytes = observation.acked_ns is not None, _unread_bytes(observation)
    return Measured(
        ClosedByReceiver(
            fins=int(fins.sum()),
            resets=0,
            receiver=observation.receiver.role,
            sender=observation.sender.role,
            acknowledged=acknowledged,
            unread_bytes=unread_bytes or None,
        ),
        evidence=frames(end, fins, "the receiver's FIN", "tcp.flags.fin == 1"),
        strength=0.2 if acknowledged and not unread_bytes else 0.6,
    )


def _unread_bytes(observation: Observation) -> int | None:
    """Return what had arrived and was never read: by the log of reads, else by the last sample."""
    reads, connection = observation.receiver.calls("read"), observation.receiver.connection
    if reads is not None and connection is not None:
        marked = connection.frames
        data = observation.from_sender(marked) & (marked.payload_bytes > 0)
        ends = marked.relative_seq_bytes[data] + marked.payload_bytes[data]
        return max(0, int(ends.max(initial=1)) - 1 - int(reads.total_bytes[-1]))
    samples = observation.receiver.samples
    if samples is None:
        return None
    queue = samples.column("receive_queue_bytes")[~samples.state_in(("CLOSE",))]
    queue = queue[queue != ABSENT]
    return int(queue[-1]) if len(queue) else None


def _by_sender(end: End, observation: Observation, marked: Frames, fins: NDArray[np.bool_]) -> Answer:
    sent = observation.from_sender(marked)
    receiver = None if (fins & ~sent).any() else observation.receiver.role
    if observation.end_ns is None or not observation.duration_s or not observation.all_read:
        return not_applicable(Regular(receiver, late=False))
    close_ns = _close_ns(observation)
    fin_ns = int(observation.at_ns(marked)[fins & sent][0])
    ahead_s = (observation.end_ns - min(fin_ns, close_ns or fin_ns)) / 1e9
    if ahead_s < EARLY_SHARE * observation.duration_s or observation.duration_s < 1.0:
        return not_applicable(Regular(receiver, late=True))
    queued_s = (fin_ns - close_ns) / 1e9 if close_ns is not None else 0.0
    return Measured(
        ClosedEarly(
            ahead_s=round(ahead_s, 6),
            ahead_share=round(ahead_s / observation.duration_s, 4),
            fin_queued_s=round(queued_s, 6) if queued_s > QUEUED_S else None,
        ),
        evidence=frames(end, fins & sent, "the sender's FIN", "tcp.flags.fin == 1"),
        strength=round(0.5 * min(1.0, ahead_s / observation.duration_s), 3),
    )


def _close_ns(observation: Observation) -> int | None:
    """Return when the sender's program ended the stream: when its last write returned."""
    writes = observation.sender.calls("write")
    return int(writes.end_ns[-1]) if writes is not None else None


RULE: Final = Rule(
    "closing",
    "Who closed the connection, how, when, and was anything unread?",
    "FIN and RST, the receive queue, the logs",
    (StrayReset, Reset, NotClosed, ClosedByReceiver, ClosedEarly),
    measure,
)
