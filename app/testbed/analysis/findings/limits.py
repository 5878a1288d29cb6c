"""What the sender waited for: the kernel's own chronograph, and how the other instruments correct it.

The kernel counts the time in which a sender had unacknowledged data (`busy_time`), and of that the time in which the
peer's window (`rwnd_limited`) or an empty send buffer (`sndbuf_limited`) kept it from sending (tcp_info, Linux 4.10).
Window is waited for because of the reader or because of the path; `testbed.analysis.join.occupancy` distinguishes them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from testbed.analysis.findings.delayed_ack import ack_delay_ns
from testbed.analysis.findings.path import Path, PathCause, path_of
from testbed.analysis.join.idle import sender_idle
from testbed.analysis.join.observation import SHORT_S, Observation
from testbed.analysis.join.occupancy import unread_share
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.join.window_exhausted import rwnd_limited_in_recovery_s, window_exhausted_s
from testbed.analysis.predict import receiver_bytes


class Limit(StrEnum):
    """What a sender waits for."""

    RECEIVER = "receiver"
    WINDOW = "window"
    NETWORK = "network"
    SEND_BUFFER = "send buffer"
    APPLICATION = "application"


FULL_SHARE: Final = 0.3
"""Without a capture of the receiver's: a queue that is on average fuller than this waits for its program."""
ALSO_SHARE: Final = 0.2
"""What limits the sender for so much of its time is reported, too."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of the time from the first write to the last acknowledgement; those in `shares` add up to 1.

    `receive_window` is what the kernel calls limited by the window; with what it missed of that, it is divided among
    the receiver that does not read, a window that is too small for the round trip, and a network in whose queue the
    data is. The rest of the busy time is divided among the network, a program that writes slowly and a send buffer full
    of bytes in flight.
    """

    total_s: float
    busy_s: float
    receive_window: float
    shares: dict[Limit, float]
    path: Path
    unread: float | None
    """How much of the window was occupied by unread bytes while it limited the sender; None = not observed."""
    receiver_full: float | None
    """How full the receiver's queue was on average, of what it can hold; None = not sampled."""

    @property
    def limit(self) -> Limit:
        """What limited the sender longest."""
        return max(self.shares, key=self.shares.__getitem__)

    @property
    def share(self) -> float:
        """The share of the limit."""
        return self.shares[self.limit]

    @property
    def also(self) -> list[Limit]:
        """What else limited it for long, the longest first."""
        rest = sorted(self.shares, key=self.shares.__getitem__, reverse=True)[1:]
        return [limit for limit in rest if self.shares[limit] >= ALSO_SHARE]


def sending_s(observation: Observation) -> float | None:
    """Return the time from the first write to the last acknowledgement, less what the receiver delayed that one."""
    if observation.sending_s is None:
        return None
    return max(0.0, observation.sending_s - _last_delay_s(observation))


def hardly_began(observation: Observation) -> bool:
    """Return whether so little time passed, with the window open, that a write that took long only waited for a CPU."""
    lasted_s = sending_s(observation)
    return lasted_s is not None and lasted_s < SHORT_S and not observation.zero_window_periods


def _last_delay_s(observation: Observation) -> float:
    connection = observation.receiver.connection
    if connection is None or observation.one_capture:
        return 0.0
    frames = connection.frames
    data = np.flatnonzero(observation.from_sender(frames) & (frames.payload_bytes > 0))
    return max(0.0, float(ack_delay_ns(observation, connection)[data[-1]]) / 1e9) if len(data) else 0.0


def find_limits(observation: Observation) -> Limits | None:
    """Return what limited the sender; None when that is not known or the transfer was too short."""
    return observation.computed.once(_find)


def _find(observation: Observation) -> Limits | None:
    samples, total_s = observation.sender.samples, sending_s(observation)
    if samples is None or total_s is None or observation.sending_s is None or total_s < SHORT_S:
        return None
    counters = [samples.last(name) for name in ("busy_time", "rwnd_limited", "sndbuf_limited")]
    if None in counters:
        return None
    busy_s, window_s, buffer_s = (float(value or 0) / 1e6 for value in counters)
    busy_s = max(busy_s - (observation.sending_s - total_s), window_s + buffer_s)
    total_s = max(total_s, busy_s)
    path, full = path_of(observation), _receiver_full(observation)
    network, buffer, idle = (busy_s - window_s - buffer_s) / total_s, buffer_s / total_s, (total_s - busy_s) / total_s
    not_written, no_room = _moved(observation, path, total_s, network, idle)
    network -= not_written + no_room
    pluralize = window_s / total_s
    window = pluralize + min(max(window_exhausted_s(observation) / total_s - pluralize, 0.0), max(network, 0.0))
    unread = unread_share(observation) if window_s else None
    reader = window * (unread if unread is not None else _reader_without_capture(observation, full))
    on_the_way = window - reader
    missing = rwnd_limited_in_recovery_s(observation) if PathCause.LOSSES in path.causes else 0.0
    queued = (
        on_the_way
        if PathCause.QUEUE in path.causes
        else min(on_the_way, (path.window_update_lost_s + missing) / total_s)
    )
    return Limits(
        total_s=total_s,
        busy_s=busy_s,
        receive_window=pluralize,
        shares={
            Limit.RECEIVER: reader,
            Limit.WINDOW: on_the_way - queued,
            Limit.NETWORK: max(0.0, network + queued - (window - pluralize)),
            Limit.SEND_BUFFER: buffer + no_room,
            Limit.APPLICATION: idle + not_written,
        },
        path=path,
        unread=unread,
        receiver_full=full,
    )


def _moved(observation: Observation, path: Path, total_s: float, network: float, idle: float) -> tuple[float, float]:
    """Return which shares of the time that the kernel leaves to the network are its program's and its buffer's."""
    nothing = sender_idle(observation)
    if nothing is None:
        return 0.0, 0.0
    not_written = min(max(nothing.not_written_s / total_s - idle, 0.0), network)
    # A greater buffer would let more into the queue of the network, and none of it arrive sooner.
    no_room = 0.0 if PathCause.QUEUE in path.causes else min(nothing.no_room_s / total_s, network - not_written)
    return not_written, no_room


def _reader_without_capture(observation: Observation, full: float | None) -> float:
    closed = observation.closed_ns / 1e9 / (observation.sending_s or 1.0)
    return 1.0 if closed >= FULL_SHARE or (full is not None and full >= FULL_SHARE) else 0.0


def _receiver_full(observation: Observation) -> float | None:
    timeline, samples = observation.timeline, observation.receiver.samples
    rcvbuf = samples.most("rcvbuf") if samples is not None else None
    if timeline is None or not rcvbuf:
        return None
    queue = timeline.receive_queue_bytes
    queue = queue[(queue != ABSENT) & observation.while_sending(timeline.at_ns)]
    return float(queue.mean()) / receiver_bytes(rcvbuf) if len(queue) else None
