"""Back-pressure: whether the sender's program stops when the kernel takes no more, or piles the bytes up itself."""

from typing import Final

import numpy as np

from testbed.analysis.findings.evidence import file, lines
from testbed.analysis.findings.limits import hardly_began
from testbed.analysis.findings.measured import not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.findings.stall import BOUNDED_BYTES, in_program_bytes
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.join.timeline import Timeline
from testbed.units import format_bytes

NAME: Final = "back-pressure"

LATE_BYTES: Final = 16_384
FEWEST_SAMPLES: Final = 3
"""A call that ends while a sample is taken may be ahead of it; one that still is at the next samples is not late."""
WAITED_S: Final = 0.01
"""A program whose writes waited for less in all did not wait for the receiver."""
PRESSED_SHARE: Final = 0.2
GROWN_BYTES: Final = 4 * BOUNDED_BYTES
GROWN_SHARE: Final = 0.25
"""Memory that grows by more than both of a bounded buffer and a share of the data holds data."""

ALL_SHARE: Final = 0.75
"""A program that had piled everything up at once would hold this much: the rest is in the kernels' buffers."""

MEMORY_UNSEEN: Final = "the memory of the program itself"


def measure(observation: Observation) -> Answer:
    """Speak when the receiver held the sender up, and the sender's log or its memory is there beside its samples."""
    timeline, writes = observation.timeline, observation.sender.calls("write")
    if timeline is None:
        return unobservable(NoSamples(observation.sender.role))
    growth = _growth_bytes(observation)
    if writes is None and growth is None:
        return unobservable("the sender left no event log, and its memory was not sampled")
    known = (timeline.accepted_bytes != ABSENT) & (timeline.written_bytes != ABSENT)
    if writes is not None and not known.any():
        return unobservable("the kernel told no bytes_acked")
    blocked_s = float(writes.duration_ns[writes.blocked].sum()) / 1e9 if writes is not None else 0.0
    if not _pressed(observation, 0.0 if hardly_began(observation) else blocked_s):
        return not_applicable("there was no back-pressure: the receiver always had room and no write() had to wait")
    if writes is None:
        return _by_memory(observation, growth or 0, _settled_growth_bytes(observation))
    return _by_log(observation, timeline, blocked_s, growth)


def _growth_bytes(observation: Observation) -> int | None:
    if observation.sender.resources is None or observation.start_ns is None:
        return None
    return observation.sender.resources.growth_bytes(observation.start_ns)


def _settled_growth_bytes(observation: Observation) -> int | None:
    if observation.sender.resources is None or observation.start_ns is None:
        return None
    return observation.sender.resources.settled_growth_bytes(observation.start_ns)


def _pressed(observation: Observation, blocked_s: float) -> bool:
    limited_us = observation.sender.samples.last("rwnd_limited") if observation.sender.samples is not None else None
    pressed_s = max(blocked_s, observation.closed_ns / 1e9, (limited_us or 0) / 1e6)
    return pressed_s > 0 and pressed_s >= PRESSED_SHARE * (observation.sending_s or 0.0)


def _by_log(observation: Observation, timeline: Timeline, blocked_s: float, growth: int | None) -> Answer:
    inside = in_program_bytes(timeline)
    most, piled = int(inside.max()), inside > BOUNDED_BYTES
    numbers: dict[str, float | int | str] = {
        "program_max_bytes": max(most, 0),
        "kernel_max_bytes": int(timeline.send_queue_bytes.max()),
        "blocked_s": round(blocked_s, 6),
    }
    if growth is not None:
        numbers["memory_growth_bytes"] = growth
    unseen_ = [MEMORY_UNSEEN] if growth is None else []
    if int(np.count_nonzero(piled)) >= FEWEST_SAMPLES:
        doubt = growth is not None and growth < most / 4
        return untyped(
            sentence=(
                f"Back-pressure is not respected: the program calls {format_bytes(most)} written that the kernel has "
                "not taken. They pile up in the program's own memory, which grows as long as the receiver is slow."
            ),
            numbers=numbers,
            evidence=lines(
                observation.sender, timeline.line[piled], "more is called written than the kernel has accepted"
            ),
            contradicted_by=[f"the program's memory grew by {format_bytes(growth or 0)} only"] if doubt else [],
            not_observed=unseen_,
            strength=0.85,
        )
    waits = "its write() waits" if blocked_s > WAITED_S else "the kernel's buffer took everything"
    how = f"the program calls nothing written that the kernel has not taken; {waits}"
    if most > LATE_BYTES and blocked_s < PRESSED_SHARE * (observation.sending_s or 0.0):
        return unobservable(f"the program hardly waited and held {format_bytes(most)}: so little tells of no bound")
    if most > LATE_BYTES:
        how = f"a bounded buffer of the program holds up to {format_bytes(most)}, then it waits"
    return untyped(
        sentence=f"Back-pressure is respected: {how}.",
        numbers=numbers,
        evidence=lines(observation.sender, timeline.line, "bytes_acked and send queue beside the log of writes"),
        not_observed=unseen_,
        strength=0.15,
    )


def _by_memory(observation: Observation, growth: int, settled: int | None) -> Answer:
    """Judge a program without a log by its memory: what `settled` leaves out may be the program that is loaded.

    What piles up goes on growing, unless nearly all of the data was there at the first look.
    """
    path = f"{observation.sender.path}resources.csv"
    sent = observation.sent_bytes or 0
    if sent < GROWN_BYTES:
        return unobservable(f"the program left no log, and memory does not tell so little data: {format_bytes(sent)}")
    most = max(GROWN_BYTES, GROWN_SHARE * sent)
    grown = settled is not None and settled > most
    if growth > most and not grown and (settled is None or growth >= ALL_SHARE * sent):
        return unobservable("the program left no log, and its memory grew as the transfer began, with data or without")
    growth = settled if settled is not None and growth > most else growth
    says = (
        f"Back-pressure is not respected, it seems: the program's memory grew by {format_bytes(growth)} while the "
        "receiver held the sender up."
        if grown
        else f"Back-pressure is respected: the program's memory grew by {format_bytes(max(growth, 0))} only."
    )
    return untyped(
        sentence=says,
        numbers={"memory_growth_bytes": growth},
        evidence=file(path, "the program's memory over time"),
        confidence="medium",
        not_observed=["what the program calls written: it left no log"],
        strength=0.7 if grown else 0.15,
    )


RULE: Final = Rule(
    NAME,
    "Does the sender's program stop under back-pressure, or does it buffer by itself?",
    "the log of writes against `bytes_acked` and the send queue, the program's memory",
    (Untyped,),
    measure,
)
