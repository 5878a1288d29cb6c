"""Window closed: how long, how often, since when, and why the receiver's window became zero."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import frames, samples
from testbed.analysis.findings.measured import Fact, Measured, Phrase, Source, not_applicable, unobservable
from testbed.analysis.findings.rule import NO_WINDOW, Answer, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.zero_window import ZeroWindowCause, ZeroWindowPeriod
from testbed.result import Confidence

COUNTER: Final = "TcpExtTCPToZeroWindowAdv"


@dataclass(frozen=True, slots=True)
class WindowClosed(Fact):
    """Zero-window periods of the receiver. `cause` is the most frequent one; times count from the first write."""

    closed_s: float
    periods: int
    longest_s: float
    longest_at_s: float
    first_at_s: float
    zero_window_frames: int
    cause: ZeroWindowCause
    sending_s: float | None = None
    closed_share: float | None = None
    kernel_periods: int | None = None
    rcvbuf_bytes: int | None = None
    receive_queue_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class KernelCountsPeriods(Fact):
    """The receiver's kernel counts another number of periods than its capture shows."""

    kernel_periods: int


@dataclass(frozen=True, slots=True)
class LimitedForLess(Fact):
    """The sender's kernel counts less time limited by the window than the window was closed."""

    rwnd_limited_s: float


def measure(observation: Observation) -> Answer:
    """Measure the periods in which the receiver's window was zero."""
    if observation.window_end is None:
        return unobservable(NO_WINDOW)
    periods = observation.zero_window_periods
    if not periods:
        return not_applicable("the receive window never closed")
    fact = _fact(observation, periods)
    return Measured(
        fact,
        evidence=_evidence(observation),
        confidence=_confidence(observation),
        contradicted_by=_contradictions(observation),
        not_observed=[] if observation.receiver.connection else ["the receiver's own capture: times are the sender's"],
        strength=0.5 if fact.closed_share is None else fact.closed_share,
    )


def _fact(observation: Observation, periods: tuple[ZeroWindowPeriod, ...]) -> WindowClosed:
    longest = max(periods, key=lambda period: period.duration_ns)
    start_ns = (observation.start_ns or 0) + observation.realtime_offset_ns
    closed_s, sending_s = observation.closed_ns / 1e9, observation.sending_s
    causes = _causes(observation, periods)
    receiver = observation.receiver.samples
    return WindowClosed(
        closed_s=round(closed_s, 6),
        periods=len(periods),
        longest_s=round(max(0, longest.duration_ns) / 1e9, 6),
        longest_at_s=round(max(0.0, (longest.start_ns - start_ns) / 1e9), 6),
        first_at_s=round(max(0.0, (periods[0].start_ns - start_ns) / 1e9), 6),
        zero_window_frames=sum(period.zero_window_frames for period in periods),
        cause=max(set(causes), key=causes.count),
        sending_s=round(sending_s, 6) if sending_s else None,
        closed_share=round(min(1.0, closed_s / sending_s), 6) if sending_s else None,
        kernel_periods=observation.receiver.counter(COUNTER),
        rcvbuf_bytes=None if receiver is None else receiver.most("rcvbuf"),
        receive_queue_max_bytes=None if receiver is None else receiver.most("receive_queue_bytes"),
    )


def _causes(observation: Observation, periods: tuple[ZeroWindowPeriod, ...]) -> list[ZeroWindowCause]:
    """Return the cause of each; a frame that acknowledges what is not in the capture does not show it."""
    end = observation.window_end
    assert end is not None
    assert end.connection is not None
    marked = end.connection.frames
    blind = set(marked.number[marked.having(Mark.ACK_LOST_SEGMENT)].tolist())
    return [ZeroWindowCause.UNKNOWN if period.first_frame in blind else period.cause for period in periods]


def _evidence(observation: Observation) -> list[Source]:
    end = observation.window_end
    assert end is not None
    assert end.connection is not None
    marked = end.connection.frames
    zero = ~observation.from_sender(marked) & marked.having(Mark.ZERO_WINDOW)
    found = frames(end, zero, "the receiver advertises a zero window", "tcp.analysis.zero_window")
    own = observation.receiver.samples
    if own is not None and own.has("rcv_wnd"):
        closed = own.column("rcv_wnd") == 0
        found += samples(observation.receiver, own, closed, "the kernel's receive window is 0 (rcv_wnd)")
    return found


def _confidence(observation: Observation) -> Confidence:
    end = observation.window_end
    assert end is not None
    assert end.capture is not None
    if end.capture.complete is False:
        return "medium"
    return "high" if end.connection is not None and end.connection.complete_handshake else "medium"


def _contradictions(observation: Observation) -> list[Phrase]:
    kernel = observation.receiver.counter(COUNTER)
    if kernel is not None and kernel != len(observation.zero_window_periods):
        return [KernelCountsPeriods(kernel)]
    sender = observation.sender.samples
    limited_us = sender.last("rwnd_limited") if sender is not None else None
    closed_s = observation.closed_ns / 1e9
    if limited_us is not None and limited_us / 1e6 < closed_s / 2 and closed_s > 0.1:
        return [LimitedForLess(limited_us / 1e6)]
    own = observation.receiver.samples
    if own is not None and own.has("rcv_wnd") and closed_s > 0.5 and not np.any(own.column("rcv_wnd") == 0):
        return ["no sample of the receiver's socket shows a closed window"]
    return []


RULE: Final = Rule(
    "window-closed",
    "Was the receive window closed, for how long, how often, and why?",
    "window of the receiver's frames, `rcv_wnd`, the kernel's TCPToZeroWindowAdv",
    (WindowClosed,),
    measure,
)
