"""What the instruments of both ends recorded of one cell, on one clock (CLOCK_MONOTONIC of the host)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import CallLog, Calls
from testbed.analysis.join.resources import Resources
from testbed.analysis.join.samples import ABSENT, FIN_ACKED, UNSYNCHRONISED, Int64, Samples
from testbed.analysis.join.timeline import Timeline, join
from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.model import CaptureFacts, Connection, Frames
from testbed.analysis.packets.zero_window import ZeroWindowPeriod, find_zero_window_periods

Role = Literal["client", "server"]

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class CaptureState:
    """What is known of one end's capture, whether it could be read or not.

    `complete` comes from tcpdump's own counters, None when they are missing; `note` is about the position of the tap.
    """

    file: str
    connection: Connection | None = None
    facts: CaptureFacts | None = None
    complete: bool | None = None
    why: str = ""
    note: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """What the instruments of one end recorded. `role` names its folder; `counters` are the kernel's, without zeros.

    `sysctls` and `mtu_bytes` are those of the end's own network namespace where they differ from the host's.
    """

    role: Role
    log: CallLog | None = None
    samples: Samples | None = None
    capture: CaptureState | None = None
    resources: Resources | None = None
    counters: Mapping[str, int] | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    mtu_bytes: int | None = None

    def counter(self, name: str) -> int | None:
        """Return how often the kernel counted something, by its name in nstat(8); None when it was not read."""
        return None if self.counters is None else self.counters.get(name, 0)

    def calls(self, op: str) -> Calls | None:
        """Return the calls of one kind; None when there is no log of any."""
        return self.log.of(op) if self.log else None

    @property
    def connection(self) -> Connection | None:
        """The connection in this end's capture."""
        return self.capture.connection if self.capture else None

    @property
    def path(self) -> str:
        """The end's folder in the cell's."""
        return f"{self.role}/"


class Computed:
    """Values computed of one observation, each by its function, when it is needed first."""

    def __init__(self, observation: "Observation") -> None:
        self._observation = observation
        self._values: dict[Callable[[Observation], Any], Any] = {}

    def once(self, compute: "Callable[[Observation], ValueT]") -> ValueT:
        """Return the function's value for the observation."""
        if compute not in self._values:
            self._values[compute] = compute(self._observation)
        value: ValueT = self._values[compute]
        return value


@dataclass(frozen=True)
class Observation:
    """One transfer: who sent, who received, what was requested, and the joined instruments.

    `sender_is_client` says which end of the captured connection sent the data. `realtime_offset_ns` is how far the
    captures' clock is ahead of the common one. `rtt_ms` is that of the idle link, `link_losses` counts the frames of
    each role that the link lost. `host` has kernel and sysctls, `twin` the result of the same cell over the other
    family, `engines` the emulation engines of both ends. `machine_name` is empty where it is not known.
    """

    sender: End
    receiver: End
    sender_is_client: bool = True
    realtime_offset_ns: int = 0
    requested: Mapping[str, Any] = field(default_factory=dict)
    impairment: Mapping[str, str] = field(default_factory=dict)
    engines: tuple[str, ...] = ()
    rtt_ms: float | None = None
    link_losses: Mapping[str, int] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    twin: Mapping[str, Any] | None = None
    machine_name: str = ""

    @cached_property
    def computed(self) -> "Computed":
        """What functions above this level compute of this observation, once each."""
        return Computed(self)

    @cached_property
    def timeline(self) -> Timeline | None:
        """Where the bytes were at every sample of the sender; None without the sender's samples."""
        if self.sender.samples is None:
            return None
        return join(
            self.sender.samples,
            self.receiver.samples,
            writes=self.sender.calls("write"),
            reads=self.receiver.calls("read"),
        )

    @cached_property
    def window_end(self) -> End | None:
        """The end whose capture shows the receiver's window: the receiver, else the sender."""
        return next((end for end in (self.receiver, self.sender) if end.connection is not None), None)

    @cached_property
    def zero_window_periods(self) -> tuple[ZeroWindowPeriod, ...]:
        """When the receiver's window was closed."""
        end = self.window_end
        if end is None or end.connection is None:
            return ()
        return find_zero_window_periods(end.connection, of_client=not self.sender_is_client)

    @property
    def closed_ns(self) -> int:
        """How long the receiver's window was closed in all; a clock that was set back subtracts nothing."""
        return sum(max(0, period.duration_ns) for period in self.zero_window_periods)

    @property
    def one_capture(self) -> bool:
        """Whether both ends share one capture, so that it is not known at which of them it was made."""
        return self.sender.capture is not None and self.sender.capture is self.receiver.capture

    def while_sending(self, at_ns: Int64) -> NDArray[np.bool_]:
        """Return for each time whether it was before the last acknowledgement; true where that was not observed."""
        sending: NDArray[np.bool_] = np.ones(len(at_ns), np.bool_) if self.acked_ns is None else at_ns <= self.acked_ns
        return sending

    def closed_at(self, at_ns: Int64) -> NDArray[np.bool_]:
        """Return for each time whether the receiver's window was closed."""
        found = np.zeros(len(at_ns), np.bool_)
        for period in self.zero_window_periods:
            start_ns, end_ns = (time_ns - self.realtime_offset_ns for time_ns in (period.start_ns, period.end_ns))
            found |= (at_ns >= start_ns) & (at_ns < end_ns)
        return found

    def from_sender(self, frames: Frames) -> NDArray[np.bool_]:
        """Return for each frame whether the end that sends the data sent it."""
        sent: NDArray[np.bool_] = frames.from_client == self.sender_is_client
        return sent

    def probes(self, frames: Frames) -> NDArray[np.bool_]:
        """Return for each frame whether it is one of the sender's window probes."""
        return self.from_sender(frames) & frames.having(Mark.WINDOW_PROBE)

    def wire(self) -> End | None:
        """Return the end whose capture shows the sender's frames: the sender, else the receiver."""
        return next((end for end in (self.sender, self.receiver) if end.connection is not None), None)

    def at_ns(self, frames: Frames) -> Int64:
        """Return the frames' times on the common clock."""
        return frames.time_ns - self.realtime_offset_ns

    @cached_property
    def mss_bytes(self) -> int | None:
        """What the sender puts in one segment; None when not known."""
        samples = self.sender.samples
        if samples is not None and samples.has("snd_mss"):
            usable = samples.column("snd_mss")[~samples.state_in(UNSYNCHRONISED)]
            if len(usable) and usable.max() > 0:
                return int(usable.max())
        connection = self.sender.connection or self.receiver.connection
        if connection is None:
            return None
        announced = connection.server if self.sender_is_client else connection.client
        stamps = 12 if connection.frames.timestamp_value.any() else 0
        return announced.mss_bytes - stamps if announced.mss_bytes > stamps else None

    @cached_property
    def start_ns(self) -> int | None:
        """When the sender began to send: its first write, else its first frame with data, else its first sample."""
        writes = self.sender.calls("write")
        if writes is not None:
            return int(writes.start_ns[0])
        times = self._data_times()
        if times is not None:
            return int(times[0])
        samples = self.sender.samples
        return int(samples.at_ns[0]) if samples is not None else None

    @cached_property
    def acked_ns(self) -> int | None:
        """When the last byte of data was acknowledged; None when it never was, or when this is not known."""
        times = self._ack_time()
        if times is not None:
            return times
        samples = self.sender.samples
        if samples is None:
            return None
        # A closed socket may have been reset, or its kernel stopped retransmitting.
        done = samples.state_in(FIN_ACKED) & (samples.column("send_queue_bytes") == 0)
        return int(samples.at_ns[done][0]) if done.any() else None

    @cached_property
    def observed_until_ns(self) -> int | None:
        """When an instrument last recorded anything of the connection, at either end."""
        ends = self.sender, self.receiver
        times = [int(self.at_ns(end.connection.frames).max()) for end in ends if end.connection is not None]
        times += [int(end.samples.at_ns[-1]) for end in ends if end.samples is not None]
        return max(times, default=None)

    @property
    def all_read(self) -> bool:
        """Whether the receiver's program has read everything, as far as is known."""
        reads = self.receiver.calls("read")
        return reads is None or int(reads.total_bytes[-1]) >= (self.sent_bytes or 0)

    @cached_property
    def end_ns(self) -> int | None:
        """When the receiver had read everything; without its log, when everything was acknowledged.

        For a transfer that was broken off, when it was last observed.
        """
        reads = self.receiver.calls("read")
        if reads is None:
            return self.acked_ns
        last_ns = int(reads.end_ns[-1])
        return last_ns if self.all_read else max(last_ns, self.observed_until_ns or last_ns)

    @cached_property
    def sending_s(self) -> float | None:
        """From the first write to the acknowledgement of the last byte; without one, to the last observation."""
        until_ns = self.observed_until_ns if self.acked_ns is None else self.acked_ns
        if self.start_ns is None or until_ns is None or until_ns < self.start_ns:
            return None
        return (until_ns - self.start_ns) / 1e9

    @cached_property
    def duration_s(self) -> float | None:
        """From the first write to the end of the last read; of a broken-off transfer, to the last observation."""
        if self.start_ns is None or self.end_ns is None or self.end_ns <= self.start_ns:
            return None
        return (self.end_ns - self.start_ns) / 1e9

    @cached_property
    def sent_bytes(self) -> int | None:
        """How many bytes were to be sent: by the log, the sender's samples, or the capture."""
        writes = self.sender.calls("write")
        if writes is not None:
            return int(writes.total_bytes[-1])
        accepted = -1 if self.timeline is None else int(self.timeline.accepted_bytes.max(initial=ABSENT))
        if accepted != ABSENT:
            return accepted
        connection = self.sender.connection or self.receiver.connection
        if connection is None:
            return None
        frames = connection.frames
        data = self.from_sender(frames) & (frames.payload_bytes > 0)
        ends = frames.relative_seq_bytes[data] + frames.payload_bytes[data]
        return int(ends.max()) - 1 if len(ends) else 0

    def _data_times(self) -> Int64 | None:
        end = self.wire()
        if end is None or end.connection is None:
            return None
        frames = end.connection.frames
        data = self.from_sender(frames) & (frames.payload_bytes > 0)
        return self.at_ns(frames)[data] if data.any() else None

    def _ack_time(self) -> int | None:
        end = self.wire()
        if end is None or end.connection is None:
            return None
        frames = end.connection.frames
        sent = self.from_sender(frames)
        data = sent & (frames.payload_bytes > 0)
        if not data.any():
            return None
        # What was accepted and never sent was never acknowledged.
        last = max(
            int((frames.relative_seq_bytes[data] + frames.payload_bytes[data]).max()), 1 + (self.sent_bytes or 0)
        )
        acks = np.flatnonzero(~sent & (frames.relative_ack_bytes >= last))
        return int(self.at_ns(frames)[acks[0]]) if len(acks) else None


SHORT_S: Final = 0.05
"""Shorter transfers do not show what limits them: the kernel counts such times in ticks of up to 10 ms."""
