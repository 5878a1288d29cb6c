"""Delayed acknowledgements: the receiver's wait of 40 ms, and whether the sender waited for it (RFC 9293, 3.8.6.3)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import Int64
from testbed.analysis.packets.delays import time_to_ack_ns
from testbed.analysis.packets.model import NONE, Connection

LOW_NS: Final = 30_000_000
"""Linux delays an acknowledgement by 40 ms (TCP_DELACK_MIN), less what of its tick has gone."""
HIGH_NS: Final = 65_000_000
FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class DelayedAcks(Fact):
    """Frames with data that were acknowledged late; `sender_waited` counts those for which the sender waited."""

    delayed_frames: int
    data_frames: int
    delay_median_s: float
    sender_waited: int


def measure(observation: Observation) -> Answer:
    """Count acknowledgements that came about 40 ms after the data, at the receiver's own tap."""
    connection = observation.receiver.connection
    if connection is None:
        return unobservable("the receiver's own capture is missing, and other captures add the round trip to the times")
    if observation.receiver is not observation.sender and observation.one_capture:
        return unobservable("it is not known at which end this capture was made")
    marked = connection.frames
    took_ns = ack_delay_ns(observation, connection)
    data = observation.from_sender(marked) & (marked.payload_bytes > 0)
    late = _late(took_ns)
    count, total = int(late.sum()), int(data.sum())
    if count < FEWEST:
        return not_applicable("at most a few acknowledgements were delayed by 40 ms")
    return Measured(
        DelayedAcks(
            delayed_frames=count,
            data_frames=total,
            delay_median_s=round(float(np.median(took_ns[late])) / 1e9, 6),
            sender_waited=len(_waited(observation, connection, took_ns)),
        ),
        evidence=frames(observation.receiver, late, "acknowledged late", "tcp.len > 0"),
        strength=round(0.1 + 0.3 * count / total, 3),
    )


def waited_ns(observation: Observation) -> int:
    """Return for how long in all the sender sent nothing until a delayed acknowledgement came."""
    connection = observation.receiver.connection
    if connection is None or observation.one_capture:
        return 0
    took_ns = ack_delay_ns(observation, connection)
    return int(took_ns[_waited(observation, connection, took_ns)].sum())


def _late(took_ns: Int64) -> NDArray[np.bool_]:
    late: NDArray[np.bool_] = (took_ns >= LOW_NS) & (took_ns <= HIGH_NS)
    return late


def ack_delay_ns(observation: Observation, connection: Connection) -> Int64:
    """Return for how long the receiver sent nothing after each frame with data, -1 where it then did not acknowledge.

    While a segment is missing, a receiver answers at once, but cannot acknowledge what came after the gap.
    """
    marked = connection.frames
    sent = observation.from_sender(marked)
    took_ns = np.where(sent & (marked.payload_bytes > 0), time_to_ack_ns(connection), NONE)
    answers = np.flatnonzero(~sent)
    following = np.searchsorted(answers, np.arange(len(marked)))
    found = (took_ns >= 0) & (following < len(answers))
    next_ns = marked.time_ns[answers[np.minimum(following, len(answers) - 1)]] if len(answers) else marked.time_ns
    silent_for: Int64 = np.where(found & (next_ns - marked.time_ns == took_ns), took_ns, NONE)
    return silent_for


def _waited(observation: Observation, connection: Connection, took_ns: Int64) -> Int64:
    """Return the frames that were acknowledged late and after which the sender's next one stayed away so long."""
    marked = connection.frames
    at = np.flatnonzero(observation.from_sender(marked) & (marked.payload_bytes > 0))
    gap_ns = np.diff(marked.time_ns[at])
    waited: Int64 = at[:-1][_late(took_ns[at[:-1]]) & (gap_ns >= took_ns[at[:-1]])]
    return waited


RULE: Final = Rule(
    "delayed-ack",
    "Were acknowledgements delayed by 40 ms, and did the sender wait for them?",
    "time from data to acknowledgement at the receiver's tap",
    (DelayedAcks,),
    measure,
)
