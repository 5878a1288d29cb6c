"""Back-pressure: whether the sender's program waits when the kernel accepts no more, or buffers the bytes itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from testbed.analysis.findings.evidence import file, lines
from testbed.analysis.findings.limits import hardly_began
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.findings.stall import BOUNDED_BYTES, in_program_bytes
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.samples import ABSENT
from testbed.analysis.join.timeline import Timeline

LATE_BYTES: Final = 16_384
FEWEST_SAMPLES: Final = 3
"""A call that ends while a sample is taken may be ahead of it; after so many samples it is ahead of the kernel."""
WAITED_S: Final = 0.01
"""A program whose writes waited for less in all did not wait for the receiver."""
PRESSED_SHARE: Final = 0.2
GROWN_BYTES: Final = 4 * BOUNDED_BYTES
GROWN_SHARE: Final = 0.25
"""Memory that grows by more than both of a bounded buffer and a share of the data holds data."""
ALL_SHARE: Final = 0.75
"""A program that buffers everything at once holds at least this share: the rest is in the kernels' buffers."""


class RespectedBy(StrEnum):
    """How a program respects back-pressure."""

    WAITING = "waiting"
    """Its write() waits."""
    KERNEL_BUFFER = "kernel buffer"
    """It need not wait: the kernel's buffer takes everything."""
    BOUNDED_BUFFER = "bounded buffer"
    """It fills a buffer of its own that has a bound, and waits."""


@dataclass(frozen=True, slots=True)
class WrittenAgainstAccepted(Fact):
    """What the program reports as written, compared with what the kernel has accepted.

    `program_max_bytes` is the most that the program reported and the kernel had not accepted, `kernel_max_bytes` the
    most in the kernel's send queue. `memory_growth_bytes` is null when the program's memory was not sampled.
    """

    program_max_bytes: int
    kernel_max_bytes: int
    blocked_s: float
    memory_growth_bytes: int | None


@dataclass(frozen=True, slots=True)
class BackPressureIgnored(WrittenAgainstAccepted):
    """The program buffers without a bound."""


@dataclass(frozen=True, slots=True)
class BackPressureRespected(WrittenAgainstAccepted):
    """The program waits, or need not wait."""

    respected_by: RespectedBy


@dataclass(frozen=True, slots=True)
class MemoryGrew(Fact):
    """The memory of a program without a log grew by more than a bounded buffer takes."""

    memory_growth_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryStayed(Fact):
    """The memory of a program without a log hardly grew."""

    memory_growth_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryGrewLess(Fact):
    """The program's memory grew by less than the program reports as written and not accepted."""

    memory_growth_bytes: int


@dataclass(frozen=True, slots=True)
class TooLittleHeld(Fact):
    """The program hardly waited, and so little in its memory does not show whether its buffer has a bound."""

    program_max_bytes: int


@dataclass(frozen=True, slots=True)
class TooLittleSent(Fact):
    """So little data does not show in the memory of a program."""

    sent_bytes: int


def measure(observation: Observation) -> Answer:
    """Measure what the sender's program holds when the receiver blocks it: by its log, else by its memory."""
    timeline, writes = observation.timeline, observation.sender.calls("write")
    if timeline is None:
        return unobservable(NoSamples(observation.sender.role))
    growth = _growth_bytes(observation)
    if writes is None and growth is None:
        return unobservable("the sender left no event log, and its memory was not sampled")
    known = (timeline.accepted_bytes != ABSENT) & (timeline.written_bytes != ABSENT)
    if writes is not None and not known.any():
        return unobservable("the kernel does not report bytes_acked")
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
    most, ahead = int(inside.max()), inside > BOUNDED_BYTES
    figures: dict[str, Any] = {
        "program_max_bytes": max(most, 0),
        "kernel_max_bytes": int(timeline.send_queue_bytes.max()),
        "blocked_s": round(blocked_s, 6),
        "memory_growth_bytes": growth,
    }
    not_observed = ["the memory of the program itself"] if growth is None else []
    if int(np.count_nonzero(ahead)) >= FEWEST_SAMPLES:
        return Measured(
            BackPressureIgnored(**figures),
            evidence=lines(observation.sender, timeline.line[ahead], "more is reported as written than accepted"),
            contradicted_by=[MemoryGrewLess(growth)] if growth is not None and growth < most / 4 else [],
            not_observed=not_observed,
            strength=0.85,
        )
    if most > LATE_BYTES and blocked_s < PRESSED_SHARE * (observation.sending_s or 0.0):
        return unobservable(TooLittleHeld(most))
    by = RespectedBy.WAITING if blocked_s > WAITED_S else RespectedBy.KERNEL_BUFFER
    return Measured(
        BackPressureRespected(**figures, respected_by=RespectedBy.BOUNDED_BUFFER if most > LATE_BYTES else by),
        evidence=lines(observation.sender, timeline.line, "bytes_acked and send queue, compared with the log"),
        not_observed=not_observed,
        strength=0.15,
    )


def _by_memory(observation: Observation, growth: int, settled: int | None) -> Answer:
    """Judge a program without a log by its memory: what `settled` leaves out may be the program's own code.

    The memory of a program that buffers without a bound continues to grow, unless the first sample has nearly all of
    the data already.
    """
    sent = observation.sent_bytes or 0
    if sent < GROWN_BYTES:
        return unobservable(TooLittleSent(sent))
    most = max(GROWN_BYTES, GROWN_SHARE * sent)
    grown = settled is not None and settled > most
    if growth > most and not grown and (settled is None or growth >= ALL_SHARE * sent):
        return unobservable("the program left no log, and its memory grew as the transfer began, with data or without")
    growth = settled if settled is not None and growth > most else growth
    return Measured(
        MemoryGrew(growth) if grown else MemoryStayed(growth),
        evidence=file(f"{observation.sender.path}resources.csv", "the program's memory over time"),
        confidence="medium",
        not_observed=["what the program reports as written: it left no log"],
        strength=0.7 if grown else 0.15,
    )


RULE: Final = Rule(
    "back-pressure",
    "Does the sender's program wait under back-pressure, or does it buffer by itself?",
    "the log of writes compared with `bytes_acked` and the send queue, the program's memory",
    (BackPressureIgnored, BackPressureRespected, MemoryGrew, MemoryStayed),
    measure,
)
