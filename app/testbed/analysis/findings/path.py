"""What the path did to a sender that waited for it: a queue before its rate, losses, late answers, round trips."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from testbed.analysis.findings.delayed_ack import waited_ns
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.packets.delays import one_way_delays
from testbed.analysis.packets.zero_window import find_zero_window_periods
from testbed.units import format_seconds

QUEUE: Final = "queue"
LOSSES: Final = "losses"
UNHEARD: Final = "lost window updates"
LATE: Final = "late acknowledgements"
ROUND_TRIP: Final = "round trip"
PACED: Final = "pacing"
DELAY: Final = "delay"
MACHINE: Final = "machine"

QUEUED_RTT: Final = 2.0
"""A round trip so many times as long as on the idle link is spent in a queue of the network."""
QUEUED_RTT_MS: Final = 10.0
RATED_RTT_MS: Final = 1.0
"""The same, where the link is asked to have a rate."""
LOST_SHARE: Final = 0.005
"""So many of the segments lost halve a congestion window again and again."""
UNHEARD_S: Final = 0.2
"""A window that is open for so long and still closed to the sender: it was told, and only the next probe finds out."""
LATE_SHARE: Final = 0.3
FEW_ROUND_TRIPS: Final = 1.5
"""What is over so soon was not held back by a congestion window: it was on its way."""
FEWEST: Final = 5
"""Frames of which it must be known how long they were on their way, or samples."""
PACING: Final = "bbr"
"""The congestion control that has the kernel space segments out, in all its versions."""
FILLED_SHARE: Final = 0.8
"""A congestion window that is on its way to so much of it, at least, is taken to be full."""


@dataclass(frozen=True, slots=True)
class Path:
    """`causes` are why a sender waits for the path, none when nothing tells; `because` says it in a clause.

    `rtt_ms` is the sender's smoothed round trip, median over its samples. `unheard_s` is for how long it held for
    closed a window that was open again.
    """

    causes: tuple[str, ...] = ()
    because: str = "it had data and permission to send and waited for the path: its rate, its delay or its losses"
    rtt_ms: float | None = None
    unheard_s: float = 0.0


def path_of(observation: Observation) -> Path:
    """Return what the path did while the sender was sending."""
    rtt_ms = _rtt_ms(observation)
    told = _queue(observation, rtt_ms)
    lost, timeouts, segments = _lost(observation)
    if timeouts or lost > max(1, LOST_SHARE * segments):
        again = f"{lost} of {segments} segments had to be sent again" if lost else "it waited for a time-out"
        told[LOSSES] = f"the path lost or delayed segments ({again})"
    unheard_s = _unheard_s(observation)
    if unheard_s:
        lasted = format_seconds(unheard_s)
        told[UNHEARD] = f"the word that the window was open again was lost, and for {lasted} the sender did not know"
    told = told or _only_waited(observation, rtt_ms)
    return Path(tuple(told), " and ".join(told.values()), rtt_ms, unheard_s) if told else Path(rtt_ms=rtt_ms)


def _only_waited(observation: Observation, rtt_ms: float | None) -> dict[str, str]:
    """Tell what took the time on a path that neither queued nor lost anything; nothing where that is not known."""
    if waited_ns(observation) / 1e9 > LATE_SHARE * (observation.sending_s or 1.0):
        return {LATE: "it waited for acknowledgements that the receiver's kernel delayed by about 40 ms"}
    if observation.impairment and not _impaired(observation):
        return {MACHINE: "it waited for acknowledgements over a link without impairment"}
    if rtt_ms is None:
        return {}
    took = format_seconds(rtt_ms / 1e3)
    if (observation.sending_s or 0.0) < FEW_ROUND_TRIPS * rtt_ms / 1e3:
        return {DELAY: f"the bytes and their acknowledgements were on their way: a round trip takes {took}"}
    if _paced(observation):
        return {PACED: f"its congestion control spaced the segments out; a round trip took {took}"}
    return {ROUND_TRIP: f"it sent what its congestion window allows and waited a round trip of {took} for it"}


def _paced(observation: Observation) -> bool:
    """Tell whether a congestion control that paces left room in its window: then that was not what was waited for."""
    samples = observation.sender.samples
    if samples is None or not samples.text("congestion").startswith(PACING):
        return False
    congestion, in_flight, left = (samples.column(name) for name in ("snd_cwnd", "unacked", "notsent_bytes"))
    told = (congestion > 0) & (in_flight != ABSENT) & (left > 0) & observation.while_sending(samples.at_ns)
    if np.count_nonzero(told) < FEWEST:
        return False
    return bool(np.median(in_flight[told] / congestion[told]) < FILLED_SHARE)


def _impaired(observation: Observation) -> bool:
    return any(observation.impairment.values()) or bool(observation.requested.get("profile"))


def _queue(observation: Observation, rtt_ms: float | None) -> dict[str, str]:
    """Tell whether data stood in a queue of the path, by times on the way, else by the sender's round trips."""
    # What a profile makes of the link was not there when its idle round trip was measured.
    if (
        observation.rtt_ms is None
        or observation.requested.get("profile")
        or (observation.impairment and not _impaired(observation))
    ):
        return {}
    on_way_ms = _on_way_ms(observation)
    measured_ms = rtt_ms if on_way_ms is None else on_way_ms
    rated = "rate " in observation.impairment.get(observation.sender.role, "")
    longer_ms = RATED_RTT_MS if rated else QUEUED_RTT_MS
    if measured_ms is None or measured_ms <= max(QUEUED_RTT * observation.rtt_ms, observation.rtt_ms + longer_ms):
        return {}
    took, idle = format_seconds(measured_ms / 1e3), format_seconds(observation.rtt_ms / 1e3)
    return {QUEUE: f"the data queued for the path's rate (the way there and back took {took}, {idle} when idle)"}


def _on_way_ms(observation: Observation) -> float | None:
    """Return how long data and acknowledgements were on their way, from both captures; None when they do not tell.

    Unlike the sender's round trips this has no delayed acknowledgement in it.
    """
    mine, theirs = observation.sender.connection, observation.receiver.connection
    if mine is None or theirs is None or observation.one_capture:
        return None
    there = one_way_delays(mine, theirs, from_client=observation.sender_is_client)
    back = one_way_delays(theirs, mine, from_client=not observation.sender_is_client)
    data = there.delay_ns[mine.frames.payload_bytes[there.sent_at] > 0]
    if min(len(data), len(back.delay_ns)) < FEWEST:
        return None
    return float(np.median(data) + np.median(back.delay_ns)) / 1e6


def _lost(observation: Observation) -> tuple[int, int, int]:
    """Return segments sent again that were not there already, time-outs, and all segments with data."""
    samples = observation.sender.samples
    if samples is None:
        return 0, 0, 0
    again, needless, timeouts, segments = (
        samples.most(name) or 0 for name in ("total_retrans", "dsack_dups", "total_rto", "data_segs_out")
    )
    return max(again - needless, 0), timeouts, segments


def _unheard_s(observation: Observation) -> float:
    """Return for how much longer the window was closed to the sender than it was at the receiver; 0 for little."""
    mine, theirs = observation.sender.connection, observation.receiver.connection
    if mine is None or theirs is None or observation.one_capture:
        return 0.0
    there = find_zero_window_periods(mine, of_client=not observation.sender_is_client)
    longer_s = (sum(max(0, closure.duration_ns) for closure in there) - observation.closed_ns) / 1e9
    return longer_s if longer_s >= UNHEARD_S else 0.0


def _rtt_ms(observation: Observation) -> float | None:
    samples = observation.sender.samples
    if samples is None or not samples.has("rtt"):
        return None
    rtt = samples.column("rtt")
    rtt = rtt[(rtt != ABSENT) & (rtt > 0) & observation.while_sending(samples.at_ns)]
    return float(np.median(rtt)) / 1e3 if len(rtt) else None
