"""Capture trust: whether the captures are whole, and what they cannot show."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import file, frames
from testbed.analysis.findings.handshake import connected
from testbed.analysis.findings.measured import Source, not_applicable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import CaptureState, End, Observation
from testbed.analysis.packets.flags import Mark
from testbed.units import pluralize

NAME: Final = "capture-trust"

FRAMES: Final = ("window-closed", "window-probes", "window-reopening", "retransmissions", "segmentation", "delayed-ack")
"""What counts frames: it may count too few."""
SCALE: Final = ("window-closed", "window-reopening", "sender-limit")
"""What needs the window in bytes."""
END: Final = ("closing",)
TIMES: Final = ("sender-limit", "delayed-ack", "window-probes")
"""What compares when a frame was sent with when it arrived, or with a sample."""
JOINED: Final = ("conservation", "write-blocked", "sender-limit", "back-pressure")
"""What looks at captures, samples and logs at the same moment."""
CLOCK_STEP_NS: Final = 20_000_000
"""One offset stands for the whole transfer; a clock that is slewed moves by some milliseconds in a minute."""


def measure(observation: Observation) -> Answer:
    """Speak when a capture is missing, not whole, or shows what was never on a wire."""
    flaws: list[str] = []
    evidence: list[Source] = []
    suffer: set[str] = set()
    for end in _ends(observation):
        found, where = _flaws(end, there=connected(observation))
        flaws += [says for says, _ in found]
        suffer |= {name for _, names in found for name in names}
        evidence += where
    step = _clock_step_ns(observation)
    if step > CLOCK_STEP_NS:
        flaws.append(f"the host's clock moved by {step / 1e6:.3g} ms against its monotonic one during the transfer")
        suffer |= set(JOINED)
    offload = _offloaded(observation)
    if flaws:
        return untyped(
            sentence=f"The captures cannot be trusted fully: {'; '.join(flaws)}. {_suffering(suffer)}",
            numbers={"flaws": len(flaws), "offloaded_frames": offload},
            evidence=evidence,
            strength=0.4,
        )
    if offload:
        end_ = observation.wire()
        assert end_ is not None
        assert end_.connection is not None
        return untyped(
            sentence=(
                f"The captures are whole. {pluralize(offload, 'frame')} with more than one segment's payload "
                f"{'is' if offload == 1 else 'are'} segmentation offload (GSO): cut, if at all, behind the tap."
            ),
            numbers={"flaws": 0, "offloaded_frames": offload},
            evidence=frames(end_, _super_frames(observation, end_), "frames that stand for several segments"),
            strength=0.1,
        )
    if not connected(observation):
        return not_applicable("the captures are whole: nothing was dropped")
    return not_applicable("the captures are whole: handshake seen, nothing dropped, no frame longer than a segment")


def _ends(observation: Observation) -> list[End]:
    return [observation.sender] if observation.one_capture else [observation.sender, observation.receiver]


def _suffering(names: set[str]) -> str:
    return f"These findings rest on what is missing and suffer: {', '.join(sorted(names))}."


def _flaws(end: End, *, there: bool) -> tuple[list[tuple[str, tuple[str, ...]]], list[Source]]:
    """Return what is wrong with an end's capture, each with the findings that suffer, and where it can be seen.

    Where no connection is `there`, none can be in the capture.
    """
    capture = end.capture
    if capture is None:
        return [(f"the {end.role} has no capture", FRAMES)], []
    if capture.error:
        return [(f"{capture.file}: {capture.error}", FRAMES)], []
    flaws = _flaws_of_file(capture)
    connection = capture.connection
    if not there:
        return flaws, file(capture.file, "; ".join(says for says, _ in flaws)) if flaws else []
    if connection is None:
        return [*flaws, (f"{capture.file} has no TCP connection", FRAMES)], file(capture.file, "no connection in it")
    if not connection.complete_handshake:
        flaws.append((f"{capture.file} has no handshake: window scale and MSS are unknown", SCALE))
    unseen_data = connection.frames.having(Mark.ACK_LOST_SEGMENT)
    if unseen_data.any():
        flaws.append((f"{capture.file} lacks data that was acknowledged", FRAMES))
    evidence = file(capture.file, "; ".join(says for says, _ in flaws)) if flaws else []
    return flaws, evidence + frames(
        end, unseen_data, "acknowledges what was not captured", "tcp.analysis.ack_lost_segment"
    )


def _flaws_of_file(capture: CaptureState) -> list[tuple[str, tuple[str, ...]]]:
    flaws: list[tuple[str, tuple[str, ...]]] = []
    if capture.complete is False:
        flaws.append((f"{capture.file} is not complete ({capture.why})", FRAMES))
    if capture.note:
        flaws.append((f"{capture.file}: {capture.note}", TIMES))
    if capture.facts is not None and capture.facts.truncated_at_byte is not None:
        flaws.append((f"{capture.file} ends within a record, at byte {capture.facts.truncated_at_byte}", FRAMES + END))
    if capture.facts is not None and capture.facts.dropped_packets:
        flaws.append((f"{capture.file} lacks {pluralize(capture.facts.dropped_packets, 'dropped packet')}", FRAMES))
    return flaws


def _super_frames(observation: Observation, end: End) -> np.ndarray:
    assert end.connection is not None
    marked = end.connection.frames
    return observation.from_sender(marked) & (end.connection.segments() > 1)


def _offloaded(observation: Observation) -> int:
    end = observation.wire()
    return 0 if end is None or end.connection is None else int(_super_frames(observation, end).sum())


def _clock_step_ns(observation: Observation) -> int:
    steps = [0]
    for end in (observation.sender, observation.receiver):
        if end.samples is not None:
            offset_ns = end.samples.realtime_ns - end.samples.at_ns
            few = max(1, len(offset_ns) // 4)
            steps.append(abs(int(np.median(offset_ns[-few:]) - np.median(offset_ns[:few]))))
    return max(steps)


RULE: Final = Rule(
    NAME,
    "Are the captures whole, and what can they not show?",
    "tcpdump's counters, what is known of the tap, handshake, marks, both clocks",
    (Untyped,),
    measure,
    without_connection=True,
)
