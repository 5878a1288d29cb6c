"""Whether a connection was established; where none was, there is no transfer to explain."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.measured import Fact
from testbed.analysis.join.observation import End, Observation, Role
from testbed.analysis.packets.flags import RST, SYN
from testbed.analysis.packets.model import Frames

BEFORE: Final = ("SYN_SENT", "SYN_RECV", "NEW_SYN_RECV", "LISTEN", "CLOSE")
"""States of a socket that has no connection, yet or any more."""


class Outcome(StrEnum):
    """How an attempt to connect ended."""

    NOT_CAPTURED = "not captured"
    REFUSED = "refused"
    ANSWER_LOST = "answer lost"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Attempt(Fact):
    """An attempt to connect that failed: who made it, with how many SYNs, and how it ended."""

    role: Role
    syns: int = 0
    outcome: Outcome = Outcome.NOT_CAPTURED


def connected(observation: Observation) -> bool:
    """Return whether the connection was established: it was unless an instrument was there and observed none."""
    ends = observation.sender, observation.receiver
    if any(end.log is not None and end.log.by_op for end in ends):
        return True
    watched = [end for end in ends if end.samples is not None or _captured(end)]
    return not watched or any(_connected_at(end) for end in watched)


def _captured(end: End) -> bool:
    capture = end.capture
    return capture is not None and not capture.error and (capture.connection is not None or capture.complete is True)


def _connected_at(end: End) -> bool:
    if end.samples is not None and not end.samples.state_in(BEFORE).all():
        return True
    if end.connection is None:
        return False
    if end.role == "client" and end.connection.complete_handshake:
        return True
    # What is neither SYN nor RST is sent on a connection only; and a capture without SYN began too late to show it.
    frames = end.connection.frames
    on_it = (frames.tcp_flags & (SYN | RST)) == 0
    return bool(on_it.any() or not _is_syn(frames).any())


def _is_syn(frames: Frames) -> NDArray[np.bool_]:
    syn: NDArray[np.bool_] = frames.from_client & ((frames.tcp_flags & SYN) != 0)
    return syn


def attempt(observation: Observation) -> Attempt:
    """Return how far a connection came that was not established."""
    role, end = observation.sender.role, observation.wire()
    if end is None or end.connection is None:
        return Attempt(role)
    frames = end.connection.frames
    if (~frames.from_client & ((frames.tcp_flags & RST) != 0)).any():
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.ANSWER_LOST if _answered(observation) else Outcome.NO_ANSWER
    return Attempt(role, int(_is_syn(frames).sum()), outcome)


def _answered(observation: Observation) -> bool:
    connection = observation.receiver.connection
    return connection is not None and bool((~connection.frames.from_client).any())
