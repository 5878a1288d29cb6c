"""Window closed: how long, how often, since when, and why the receiver told the sender to stop."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import frames, samples
from testbed.analysis.findings.rule import NO_WINDOW, Answer, Rule, percent, silent, unseen
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.flags import Mark
from testbed.analysis.packets.zero_window import ZeroWindowCause, ZeroWindowPeriod
from testbed.result import Confidence, Evidence, Finding
from testbed.units import format_seconds, pluralize

NAME: Final = "window-closed"

COUNTER: Final = "TcpExtTCPToZeroWindowAdv"

CAUSES: Final = {
    ZeroWindowCause.FILLED: "its buffer had filled up, because its program read more slowly than data came",
    ZeroWindowCause.SHRUNK: "it took back window that it had offered, for want of memory",
    ZeroWindowCause.ADVANCED: "the sender had sent more than was offered",
    ZeroWindowCause.UNKNOWN: "what led to it is not in the capture",
}


def explain(observation: Observation) -> Answer:
    """Speak when the receiver's window was closed at all."""
    if observation.window_end is None:
        return unseen(NAME, NO_WINDOW)
    closures = observation.zero_window_periods
    if not closures:
        return silent(NAME, "the receive window never closed")
    numbers = _numbers(observation, closures)
    closed_s, longest_s = numbers["closed_s"], numbers["longest_s"]
    of = ""
    if observation.sending_s and closed_s <= observation.sending_s:  # it may stay closed when all has been acknowledged
        of = f" of {format_seconds(observation.sending_s)} ({percent(numbers['closed_share'])})"
    causes = _causes(observation, closures)
    most = max(set(causes), key=causes.count)
    sentence = (
        f"The receive window was closed for {format_seconds(closed_s)}{of} in {pluralize(len(closures), 'closure')}, "
        f"the longest {format_seconds(longest_s)}, the first {format_seconds(numbers['first_at_s'])} after the start: "
        f"{CAUSES[most]}."
    )
    return Finding(
        name=NAME,
        sentence=sentence,
        numbers={name: round(value, 6) for name, value in numbers.items()},
        evidence=_evidence(observation),
        confidence=_confidence(observation),
        contradicting=_contradicting(observation),
        not_observed=[] if observation.receiver.connection else ["the receiver's own capture: times are the sender's"],
        strength=min(1.0, numbers.get("closed_share", 0.5)),
    )


def _causes(observation: Observation, closures: tuple[ZeroWindowPeriod, ...]) -> list[ZeroWindowCause]:
    """Return why each came about; a frame that acknowledges what is not in the capture does not tell."""
    end = observation.window_end
    assert end is not None
    assert end.connection is not None
    marked = end.connection.frames
    blind = set(marked.number[marked.having(Mark.ACK_LOST_SEGMENT)].tolist())
    return [ZeroWindowCause.UNKNOWN if closure.first_frame in blind else closure.cause for closure in closures]


def _numbers(observation: Observation, closures: tuple[ZeroWindowPeriod, ...]) -> dict[str, float]:
    longest = max(closures, key=lambda closure: closure.duration_ns)
    start_ns = (observation.start_ns or 0) + observation.realtime_offset_ns
    numbers: dict[str, float] = {
        "closed_s": observation.closed_ns / 1e9,
        "closures": len(closures),
        "longest_s": max(0, longest.duration_ns) / 1e9,
        "longest_at_s": max(0.0, (longest.start_ns - start_ns) / 1e9),
        "first_at_s": max(0.0, (closures[0].start_ns - start_ns) / 1e9),
        "zero_window_frames": sum(closure.zero_window_frames for closure in closures),
    }
    if observation.sending_s:
        numbers["sending_s"] = observation.sending_s
        numbers["closed_share"] = min(1.0, numbers["closed_s"] / observation.sending_s)
    receiver = observation.receiver.samples
    kernel = observation.receiver.pluralize(COUNTER)
    if kernel is not None:
        numbers["kernel_closures"] = kernel
    for key, name in (("rcvbuf_bytes", "rcvbuf"), ("receive_queue_max_bytes", "receive_queue_bytes")):
        told = receiver.most(name) if receiver is not None else None
        if told is not None:
            numbers[key] = told
    return numbers


def _evidence(observation: Observation) -> list[Evidence]:
    end = observation.window_end
    assert end is not None
    assert end.connection is not None
    marked = end.connection.frames
    zero = ~observation.from_sender(marked) & marked.having(Mark.ZERO_WINDOW)
    found = frames(end, zero, "the receiver says: send nothing", "tcp.analysis.zero_window")
    own = observation.receiver.samples
    if own is not None and own.has("rcv_wnd"):
        found += samples(observation.receiver, own, own.column("rcv_wnd") == 0, "the kernel offers no window (rcv_wnd)")
    return found


def _confidence(observation: Observation) -> Confidence:
    end = observation.window_end
    assert end is not None
    assert end.capture is not None
    if end.capture.complete is False:
        return "medium"
    return "high" if end.connection is not None and end.connection.complete_handshake else "medium"


def _contradicting(observation: Observation) -> list[str]:
    kernel = observation.receiver.pluralize(COUNTER)
    if kernel is not None and kernel != len(observation.zero_window_periods):
        return [f"the receiver's kernel counts {pluralize(kernel, 'closure')}"]
    sender = observation.sender.samples
    limited = sender.last("rwnd_limited") if sender is not None else None
    closed_s = observation.closed_ns / 1e9
    if limited is not None and limited / 1e6 < closed_s / 2 and closed_s > 0.1:
        told = format_seconds(limited / 1e6)
        return [f"the sender's kernel counts {told} in which the window kept it from sending: else it had nothing"]
    own = observation.receiver.samples
    if own is not None and own.has("rcv_wnd") and closed_s > 0.5 and not np.any(own.column("rcv_wnd") == 0):
        return ["no sample of the receiver's socket shows a closed window"]
    return []


RULE: Final = Rule(
    NAME,
    "Was the receive window closed, for how long, how often, and why?",
    "window of the receiver's frames, `rcv_wnd`, the kernel's TCPToZeroWindowAdv",
    explain,
)
