"""What the path did to a sender that waited for it: queue, losses, late acknowledgements, round trips."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from testbed.analysis.findings.delayed_ack import waited_ns
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.packets.delays import one_way_delays
from testbed.analysis.packets.zero_window import find_zero_window_periods


class PathCause(StrEnum):
    """Why a sender waited for the path."""

    QUEUE = "queue"
    """Data queued for the path's rate."""
    LOSSES = "losses"
    """Segments were retransmitted that had not arrived, or the retransmission timer expired."""
    LOST_WINDOW_UPDATE = "lost window updates"
    """The window was open again and the sender did not know."""
    LATE = "late acknowledgements"
    """The receiver's kernel delayed acknowledgements (RFC 9293, 3.8.6.3)."""
    ROUND_TRIP = "round trip"
    """The congestion window was full and a round trip passed until it had room."""
    PACED = "pacing"
    """The congestion control spaced the segments out."""
    DELAY = "delay"
    """The transfer lasted hardly longer than a round trip."""
    MACHINE = "machine"
    """The link had no impairment: the machine took the time."""


QUEUED_RTT: Final = 2.0
"""A round trip so many times as long as on the idle link was spent in a queue of the network."""
QUEUED_RTT_MS: Final = 10.0
RATED_RTT_MS: Final = 1.0
"""The same, where a rate is requested of the link."""
LOST_SHARE: Final = 0.005
"""A loss of this share halves a congestion window repeatedly."""
UPDATE_LOST_S: Final = 0.2
"""A window that is open for so long and still closed to the sender: its update was lost, and a probe finds out."""
LATE_SHARE: Final = 0.3
FEW_ROUND_TRIPS: Final = 1.5
"""A transfer of so few round trips was not limited by a congestion window: it was in flight."""
FEWEST: Final = 5
"""Frames with a known one-way delay, or samples, that a median needs."""
PACING: Final = "bbr"
"""The congestion control that makes the kernel pace segments, in all its versions."""
FILLED_SHARE: Final = 0.8
"""A congestion window of which so much is in flight, at least, counts as full."""


@dataclass(frozen=True, slots=True)
class Path:
    """Why a sender waited for the path: `causes`, none when no instrument shows it, and their figures.

    `rtt_ms` is the sender's smoothed round trip, median over its samples. `queued_rtt_ms` is the round trip under
    load, `idle_rtt_ms` that of the idle link. For `window_update_lost_s` the sender took a window for closed that was
    open again.
    """

    causes: tuple[PathCause, ...] = ()
    rtt_ms: float | None = None
    queued_rtt_ms: float | None = None
    idle_rtt_ms: float | None = None
    lost_segments: int = 0
    data_segments: int = 0
    window_update_lost_s: float = 0.0


def path_of(observation: Observation) -> Path:
    """Return what the path did while the sender was sending."""
    rtt_ms = _rtt_ms(observation)
    queued_rtt_ms = _queued_rtt_ms(observation, rtt_ms)
    lost, timeouts, segments = _lost(observation)
    update_lost_s = _window_update_lost_s(observation)
    causes = {
        PathCause.QUEUE: queued_rtt_ms is not None,
        PathCause.LOSSES: bool(timeouts) or lost > max(1, LOST_SHARE * segments),
        PathCause.LOST_WINDOW_UPDATE: update_lost_s > 0,
    }
    found = tuple(cause for cause, applies in causes.items() if applies)
    return Path(
        causes=found or _only_waited(observation, rtt_ms),
        rtt_ms=rtt_ms,
        queued_rtt_ms=queued_rtt_ms,
        idle_rtt_ms=observation.rtt_ms,
        lost_segments=lost,
        data_segments=segments,
        window_update_lost_s=update_lost_s,
    )


def _only_waited(observation: Observation, rtt_ms: float | None) -> tuple[PathCause, ...]:
    """Return what took the time on a path that neither queued nor lost anything; nothing where that is not known."""
    if waited_ns(observation) / 1e9 > LATE_SHARE * (observation.sending_s or 1.0):
        return (PathCause.LATE,)
    if observation.impairment and not _impaired(observation):
        return (PathCause.MACHINE,)
    if rtt_ms is None:
        return ()
    if (observation.sending_s or 0.0) < FEW_ROUND_TRIPS * rtt_ms / 1e3:
        return (PathCause.DELAY,)
    return (PathCause.PACED if _paced(observation) else PathCause.ROUND_TRIP,)


def _paced(observation: Observation) -> bool:
    """Return whether a congestion control that paces left room in its window: then that was not what was waited for."""
    samples = observation.sender.samples
    if samples is None or not samples.text("congestion").startswith(PACING):
        return False
    congestion, in_flight, left = (samples.column(name) for name in ("snd_cwnd", "unacked", "notsent_bytes"))
    known = (congestion > 0) & (in_flight != ABSENT) & (left > 0) & observation.while_sending(samples.at_ns)
    if np.count_nonzero(known) < FEWEST:
        return False
    return bool(np.median(in_flight[known] / congestion[known]) < FILLED_SHARE)


def _impaired(observation: Observation) -> bool:
    return any(observation.impairment.values()) or bool(observation.requested.get("profile"))


def _queued_rtt_ms(observation: Observation, rtt_ms: float | None) -> float | None:
    """Return the round trip if data was in a queue of the path, by one-way delays, else by the sender's round trips.

    None where it did not, or where that is not known.
    """
    # What a profile makes of the link was not there when its idle round trip was measured.
    if (
        observation.rtt_ms is None
        or observation.requested.get("profile")
        or (observation.impairment and not _impaired(observation))
    ):
        return None
    on_way_ms = _on_way_ms(observation)
    measured_ms = rtt_ms if on_way_ms is None else on_way_ms
    rated = "rate " in observation.impairment.get(observation.sender.role, "")
    longer_ms = RATED_RTT_MS if rated else QUEUED_RTT_MS
    if measured_ms is None or measured_ms <= max(QUEUED_RTT * observation.rtt_ms, observation.rtt_ms + longer_ms):
        return None
    return measured_ms


def _on_way_ms(observation: Observation) -> float | None:
    """Return the sum of both one-way delays, of data and of acknowledgements; None without both captures.

    Unlike the sender's round trips it does not include delayed acknowledgements.
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
    """Return retransmitted segments that had not arrived before, time-outs, and all segments with data."""
    samples = observation.sender.samples
    if samples is None:
        return 0, 0, 0
    retransmitted, spurious, timeouts, segments = (
        samples.most(name) or 0 for name in ("total_retrans", "dsack_dups", "total_rto", "data_segs_out")
    )
    return max(retransmitted - spurious, 0), timeouts, segments


def _window_update_lost_s(observation: Observation) -> float:
    """Return for how much longer the window was closed to the sender than it was at the receiver; 0 for little."""
    mine, theirs = observation.sender.connection, observation.receiver.connection
    if mine is None or theirs is None or observation.one_capture:
        return 0.0
    there = find_zero_window_periods(mine, of_client=not observation.sender_is_client)
    longer_s = (sum(max(0, period.duration_ns) for period in there) - observation.closed_ns) / 1e9
    return longer_s if longer_s >= UPDATE_LOST_S else 0.0


def _rtt_ms(observation: Observation) -> float | None:
    samples = observation.sender.samples
    if samples is None or not samples.has("rtt"):
        return None
    rtt = samples.column("rtt")
    rtt = rtt[(rtt != ABSENT) & (rtt > 0) & observation.while_sending(samples.at_ns)]
    return float(np.median(rtt)) / 1e3 if len(rtt) else None
