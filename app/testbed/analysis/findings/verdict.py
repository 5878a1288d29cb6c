"""The verdict: which of the facts answers why a transfer took as long as it did."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from testbed.analysis.findings.handshake import Attempt, attempt, connected
from testbed.analysis.findings.measured import Fact
from testbed.analysis.findings.sender_limit import SenderLimit
from testbed.analysis.findings.window_closed import WindowClosed
from testbed.analysis.findings.write_blocked import WriteBlocked, WriteNotBlocked
from testbed.analysis.join.observation import SHORT_S, Observation

CLOSED_SHARE: Final = 0.3
LAG_SHARE: Final = 0.25
"""A reader that continues for so much of the time after the last acknowledgement is reported."""


class Answer(StrEnum):
    """What kind of answer a verdict gives."""

    NO_CONNECTION = "no connection"
    LIMITED = "limited"
    """The sender's kernel counted what it waited for."""
    WINDOW_CLOSED = "window closed"
    """Its counters are missing, and the window was closed for long."""
    BUFFERED = "buffered"
    """The receiver's buffer accepted everything; the reader continued after that."""
    NOT_COUNTED = "not counted"
    """Neither counters nor a closed window show what the sender waited for."""
    BRIEFLY_CLOSED = "briefly closed"
    """The transfer was too short to be limited; the window was closed for a part of it."""
    NOT_LIMITED = "not limited"


@dataclass(frozen=True, slots=True)
class Transferred(Fact):
    """How far the bytes that were to be sent came.

    `sending_s` lasts until the last acknowledgement, or, where `acknowledged` is false, until the transfer was last
    observed; `duration_s` until the last read. `unfinished_read_bytes` is null when all was read. `lag_s` is for how
    long the reader continued after the last acknowledgement, 0 when that is little.
    """

    sent_bytes: int
    sending_s: float
    acknowledged: bool
    closed_s: float
    duration_s: float | None = None
    unfinished_read_bytes: int | None = None
    lag_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict(Fact):
    """The answer for a transfer, and the facts that it is made of."""

    answer: Answer
    attempt: Attempt | None = None
    transferred: Transferred | None = None
    limit: SenderLimit | None = None
    window: WindowClosed | None = None
    writes: WriteBlocked | WriteNotBlocked | None = None


def verdict(observation: Observation, facts: Sequence[Fact]) -> Verdict | None:
    """Return the answer; None when no instrument observed a transfer."""
    if not connected(observation):
        return Verdict(Answer.NO_CONNECTION, attempt=attempt(observation))
    limit = next((fact for fact in facts if isinstance(fact, SenderLimit)), None)
    window = next((fact for fact in facts if isinstance(fact, WindowClosed)), None)
    writes = next((fact for fact in facts if isinstance(fact, WriteBlocked | WriteNotBlocked)), None)
    transferred = _transferred(observation)
    if limit is not None or _closed_for_long(observation, window):
        answer = Answer.WINDOW_CLOSED if limit is None else Answer.LIMITED
    elif transferred is None:
        return None
    else:
        answer = _without_limit(observation, transferred)
    return Verdict(answer, transferred=transferred, limit=limit, window=window, writes=writes)


def _closed_for_long(observation: Observation, window: WindowClosed | None) -> bool:
    """Return whether the window alone shows what limited the sender, unless all was over before it could."""
    if observation.sending_s is not None and observation.sending_s < SHORT_S:
        return False
    return window is not None and (window.closed_share or 0.0) >= CLOSED_SHARE


def _without_limit(observation: Observation, transferred: Transferred) -> Answer:
    """Return what is known of a transfer that was too short to be limited, or whose kernel counters are missing."""
    if transferred.lag_s:
        return Answer.BUFFERED
    if observation.sender.samples is None and transferred.sending_s >= SHORT_S:
        return Answer.NOT_COUNTED
    return Answer.BRIEFLY_CLOSED if observation.zero_window_periods else Answer.NOT_LIMITED


def _transferred(observation: Observation) -> Transferred | None:
    if observation.sending_s is None or not observation.sent_bytes:
        return None
    reads = observation.receiver.calls("read")
    read_bytes = None if reads is None else int(reads.total_bytes[-1])
    unfinished = read_bytes is not None and read_bytes < observation.sent_bytes
    return Transferred(
        sent_bytes=observation.sent_bytes,
        sending_s=observation.sending_s,
        acknowledged=observation.acked_ns is not None,
        closed_s=observation.closed_ns / 1e9,
        duration_s=observation.duration_s,
        unfinished_read_bytes=read_bytes if unfinished else None,
        lag_s=_lag_s(observation),
    )


def _lag_s(observation: Observation) -> float:
    if observation.acked_ns is None or observation.end_ns is None or not observation.duration_s:
        return 0.0
    lag_s = (observation.end_ns - observation.acked_ns) / 1e9
    return lag_s if lag_s >= max(LAG_SHARE * observation.duration_s, SHORT_S) else 0.0
