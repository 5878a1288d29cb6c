"""Capture trust: whether the captures are complete, and which findings their flaws affect."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import file, frames
from testbed.analysis.findings.handshake import connected
from testbed.analysis.findings.measured import Fact, Measured, Source, not_applicable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.join.observation import CaptureState, End, Observation, Role
from testbed.analysis.packets.flags import Mark

CLOCK_STEP_NS: Final = 20_000_000
"""One offset is used for the whole transfer; a clock that is slewed moves by some milliseconds in a minute."""


class FlawKind(StrEnum):
    """What is wrong with a capture, or with its clock."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    INCOMPLETE = "incomplete"
    STAMPED_ELSEWHERE = "stamped elsewhere"
    TRUNCATED = "truncated"
    DROPPED_PACKETS = "dropped packets"
    NO_CONNECTION = "no connection"
    NO_HANDSHAKE = "no handshake"
    DATA_MISSING = "data missing"
    CLOCK_MOVED = "clock moved"


_COUNTED: Final = (
    "window-closed",
    "window-probes",
    "window-reopening",
    "retransmissions",
    "segmentation",
    "delayed-ack",
)
"""Findings that count frames: they may count too few."""
AFFECTED: Final[dict[FlawKind, tuple[str, ...]]] = {
    FlawKind.MISSING: _COUNTED,
    FlawKind.UNREADABLE: _COUNTED,
    FlawKind.INCOMPLETE: _COUNTED,
    # What compares when a frame was sent with when it arrived, or with a sample.
    FlawKind.STAMPED_ELSEWHERE: ("sender-limit", "delayed-ack", "window-probes"),
    FlawKind.TRUNCATED: (*_COUNTED, "closing"),
    FlawKind.DROPPED_PACKETS: _COUNTED,
    FlawKind.NO_CONNECTION: _COUNTED,
    # What needs the window in bytes.
    FlawKind.NO_HANDSHAKE: ("window-closed", "window-reopening", "sender-limit"),
    FlawKind.DATA_MISSING: _COUNTED,
    # What compares captures, samples and logs at the same moment.
    FlawKind.CLOCK_MOVED: ("conservation", "write-blocked", "sender-limit", "back-pressure"),
}
"""The findings that each flaw affects."""


@dataclass(frozen=True, slots=True)
class Flaw(Fact):
    """One flaw. `file` is the capture, null for a clock; `reason` is what tcpdump, the tap or the reader reported."""

    kind: FlawKind
    role: Role | None = None
    file: str | None = None
    reason: str | None = None
    truncated_at_byte: int | None = None
    dropped_packets: int | None = None
    clock_moved_s: float | None = None


@dataclass(frozen=True, slots=True)
class CapturesFlawed(Fact):
    """The captures have `flaws` flaws, which affect these findings."""

    flaws: int
    offloaded_frames: int
    flaw_details: tuple[Flaw, ...]
    affected_findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapturesComplete(Fact):
    """The captures have no flaw, but frames that segmentation offload (GSO) had not split at the tap."""

    offloaded_frames: int
    flaws: int = 0


def measure(observation: Observation) -> Answer:
    """Look for flaws of the captures, and for frames that were on no wire as they are."""
    there = connected(observation)
    ends = [observation.sender] if observation.one_capture else [observation.sender, observation.receiver]
    flaws = [flaw for end in ends for flaw in _flaws(end, there=there)]
    step_ns = _clock_step_ns(observation)
    if step_ns > CLOCK_STEP_NS:
        flaws.append(Flaw(FlawKind.CLOCK_MOVED, clock_moved_s=step_ns / 1e9))
    wire, offloaded = observation.wire(), _offloaded(observation)
    count = int(offloaded.sum())
    if flaws:
        return Measured(
            CapturesFlawed(
                flaws=len(flaws),
                offloaded_frames=count,
                flaw_details=tuple(flaws),
                affected_findings=tuple(sorted({name for flaw in flaws for name in AFFECTED[flaw.kind]})),
            ),
            evidence=[source for end in ends for source in _evidence(end, flaws)],
            strength=0.4,
        )
    if wire is not None and count:
        evidence = frames(wire, offloaded, "frames with the payload of several segments")
        return Measured(CapturesComplete(count), evidence=evidence, strength=0.1)
    if not there:
        return not_applicable("the captures are complete: nothing was dropped")
    return not_applicable(
        "the captures are complete: they have the handshake, nothing was dropped, no frame is longer than a segment"
    )


def _flaws(end: End, *, there: bool) -> Iterator[Flaw]:
    """Yield what is wrong with an end's capture; where no connection is `there`, it cannot have one."""
    capture = end.capture
    if capture is None:
        yield Flaw(FlawKind.MISSING, role=end.role)
        return
    if capture.error:
        yield Flaw(FlawKind.UNREADABLE, end.role, capture.file, capture.error)
        return
    yield from _flaws_of_file(end.role, capture)
    connection = capture.connection
    if not there:
        return
    if connection is None:
        yield Flaw(FlawKind.NO_CONNECTION, end.role, capture.file)
        return
    if not connection.complete_handshake:
        yield Flaw(FlawKind.NO_HANDSHAKE, end.role, capture.file)
    if _acknowledge_missing(end).any():
        yield Flaw(FlawKind.DATA_MISSING, end.role, capture.file)


def _flaws_of_file(role: Role, capture: CaptureState) -> Iterator[Flaw]:
    if capture.complete is False:
        yield Flaw(FlawKind.INCOMPLETE, role, capture.file, capture.why)
    if capture.note:
        yield Flaw(FlawKind.STAMPED_ELSEWHERE, role, capture.file, capture.note)
    if capture.facts is not None and capture.facts.truncated_at_byte is not None:
        at_byte = capture.facts.truncated_at_byte
        why = capture.facts.compression_flaw or None
        yield Flaw(FlawKind.TRUNCATED, role, capture.file, why, truncated_at_byte=at_byte)
    if capture.facts is not None and capture.facts.dropped_packets:
        yield Flaw(FlawKind.DROPPED_PACKETS, role, capture.file, dropped_packets=capture.facts.dropped_packets)


def _evidence(end: End, flaws: list[Flaw]) -> list[Source]:
    """Return a capture with flaws, and the frames that show that others are missing."""
    kinds = {flaw.kind for flaw in flaws if flaw.role == end.role}
    if end.capture is None or not kinds or FlawKind.UNREADABLE in kinds:
        return []
    if FlawKind.NO_CONNECTION in kinds:
        return file(end.capture.file, "no connection is in it")
    found = file(end.capture.file, "the capture with these flaws")
    if FlawKind.DATA_MISSING not in kinds:
        return found
    description = "acknowledges data that was not captured"
    return found + frames(end, _acknowledge_missing(end), description, "tcp.analysis.ack_lost_segment")


def _acknowledge_missing(end: End) -> NDArray[np.bool_]:
    """Return which frames acknowledge data that is not in the capture."""
    assert end.connection is not None
    return end.connection.frames.having(Mark.ACK_LOST_SEGMENT)


def _offloaded(observation: Observation) -> NDArray[np.bool_]:
    """Return which of the sender's frames have the payload of several segments; nothing without a capture of them."""
    end = observation.wire()
    if end is None or end.connection is None:
        return np.zeros(0, np.bool_)
    return observation.from_sender(end.connection.frames) & (end.connection.segments() > 1)


def _clock_step_ns(observation: Observation) -> int:
    """Return by how much the realtime clock moved against the monotonic one while the sockets were sampled."""
    steps = [0]
    for end in (observation.sender, observation.receiver):
        if end.samples is not None:
            offset_ns = end.samples.realtime_ns - end.samples.at_ns
            few = max(1, len(offset_ns) // 4)
            steps.append(abs(int(np.median(offset_ns[-few:]) - np.median(offset_ns[:few]))))
    return max(steps)


RULE: Final = Rule(
    "capture-trust",
    "Are the captures complete, and what can they not show?",
    "tcpdump's counters, the position of the tap, handshake, marks, both clocks",
    (CapturesFlawed, CapturesComplete),
    measure,
    without_connection=True,
)
