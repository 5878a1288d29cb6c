"""Closing: who ended the connection, when, with what still unread, and whether it was reset."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import Measured, Source, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import End, Observation
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.packets.flags import FIN, RST
from testbed.analysis.packets.model import Frames
from testbed.units import format_bytes, format_seconds, percent

NAME: Final = "closing"

EARLY_SHARE: Final = 0.1
QUEUED_S: Final = 0.001
"""A FIN that goes out sooner did not wait."""


def measure(observation: Observation) -> Answer:
    """Speak when the connection was reset, not ended, or ended by the sender long before all was read."""
    end = observation.wire()
    if end is None or end.connection is None:
        return unobservable("there is no capture")
    marked = end.connection.frames
    sent = observation.from_sender(marked)
    resets = (marked.tcp_flags & RST) != 0
    ends = (marked.tcp_flags & FIN) != 0
    over = _over_at(sent, ends)
    if resets.any() and over is not None and int(np.flatnonzero(resets)[0]) > over:
        return _stray(end, observation, marked, resets)
    if resets.any():
        return _reset(observation, marked, resets)
    if not ends.any():
        return untyped(
            sentence="The connection was not closed while it was watched: the capture has neither FIN nor RST.",
            numbers={"fins": 0, "resets": 0},
            evidence=frames(end, np.ones(len(marked), np.bool_), "all frames, none with FIN or RST"),
            confidence="medium",
            strength=0.2,
        )
    if not (ends & sent).any():
        return _left_alone(end, observation, ends)
    how = f"the {observation.receiver.role} did not close the connection while it was watched"
    return _early(observation, marked, ends & sent, "both ends closed with FIN" if (ends & ~sent).any() else how)


def _over_at(sent: NDArray[np.bool_], ends: NDArray[np.bool_]) -> int | None:
    """Return at which frame both sides had ended their streams; None when they did not."""
    first = [np.flatnonzero(ends & side) for side in (sent, ~sent)]
    return max(int(side[0]) for side in first) if all(len(side) for side in first) else None


def _stray(end: End, observation: Observation, marked: Frames, resets: NDArray[np.bool_]) -> Measured[Untyped]:
    who = observation.sender.role if observation.from_sender(marked)[resets][0] else observation.receiver.role
    return untyped(
        sentence=(
            f"Both ends closed the connection with FIN; the {who} answered what came late or twice after that with "
            "RST, which harms nothing."
        ),
        numbers={"resets": int(resets.sum()), "reset_by": who},
        evidence=frames(end, resets, "RST after the end", "tcp.flags.reset == 1"),
        strength=0.1,
    )


def _reset(observation: Observation, marked: Frames, resets: NDArray[np.bool_]) -> Measured[Untyped]:
    end = observation.wire()
    assert end is not None
    by_sender = bool(observation.from_sender(marked)[resets][0])
    who = observation.sender.role if by_sender else observation.receiver.role
    unread = _unread(observation)
    numbers: dict[str, float | int | str] = {"resets": int(resets.sum()), "reset_by": who}
    why = ""
    if unread is not None:
        numbers["unread_bytes"] = unread
        if unread and not by_sender:
            why = f" with {format_bytes(unread)} in its queue that its program never read"
    return untyped(
        sentence=f"The {who} reset the connection (RST){why}.",
        numbers=numbers,
        evidence=frames(end, resets, "RST", "tcp.flags.reset == 1"),
        not_observed=[] if unread is not None else ["what the receiver had not read"],
        strength=0.8,
    )


def _left_alone(end: End, observation: Observation, fins: NDArray[np.bool_]) -> Measured[Untyped]:
    """Tell of a receiver that closed and of a sender that did not."""
    numbers: dict[str, float | int | str] = {"fins": int(fins.sum()), "resets": 0}
    broken_off = ""
    if observation.acked_ns is None:
        broken_off = " before everything was acknowledged that was to be sent"
    unread = _unread(observation)
    if unread:
        numbers["unread_bytes"] = unread
        broken_off += f"{', with' if broken_off else ' with'} {format_bytes(unread)} that its program never read"
    return untyped(
        sentence=(
            f"The {observation.receiver.role} closed the connection with FIN{broken_off}; "
            f"the {observation.sender.role} did not close it while it was watched."
        ),
        numbers=numbers,
        evidence=frames(end, fins, "the receiver's FIN", "tcp.flags.fin == 1"),
        strength=0.6 if broken_off else 0.2,
    )


def _unread(observation: Observation) -> int | None:
    """Return what had come and was never read: by the log of reads, else by the last sample."""
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


def _early(observation: Observation, marked: Frames, fins: NDArray[np.bool_], how: str) -> Answer:
    if observation.end_ns is None or not observation.duration_s or not observation.all_read:
        return not_applicable(how)
    requested_ns = _close_asked_ns(observation)
    fin_ns = int(observation.at_ns(marked)[fins][0])
    ahead_s = (observation.end_ns - min(fin_ns, requested_ns or fin_ns)) / 1e9
    if ahead_s < EARLY_SHARE * observation.duration_s or observation.duration_s < 1.0:
        return not_applicable(f"the sender ended the stream when nearly all was read, and {how}")
    queued_s = (fin_ns - requested_ns) / 1e9 if requested_ns is not None else None
    numbers: dict[str, float | int | str] = {
        "ahead_s": round(ahead_s, 6),
        "ahead_share": round(ahead_s / observation.duration_s, 4),
    }
    waited = ""
    if queued_s is not None and queued_s > QUEUED_S:
        numbers["fin_queued_s"] = round(queued_s, 6)
        waited = f"; the FIN itself stood {format_seconds(queued_s)} in the queue behind the data"
    end = observation.wire()
    assert end is not None
    evidence: list[Source] = frames(end, fins, "the sender's FIN", "tcp.flags.fin == 1")
    return untyped(
        sentence=(
            f"The sender's program was done {format_seconds(ahead_s)} before the receiver had read everything "
            f"({percent(ahead_s / observation.duration_s)} of the time){waited}. "
            "What is queued is delivered all the same."
        ),
        numbers=numbers,
        evidence=evidence,
        strength=round(0.5 * min(1.0, ahead_s / observation.duration_s), 3),
    )


def _close_asked_ns(observation: Observation) -> int | None:
    """Return when the sender's program ended the stream: when its last write returned."""
    writes = observation.sender.calls("write")
    return int(writes.end_ns[-1]) if writes is not None else None


RULE: Final = Rule(
    NAME,
    "Who closed the connection, how, when, and was anything unread?",
    "FIN and RST, the receive queue, the logs",
    (Untyped,),
    measure,
)
