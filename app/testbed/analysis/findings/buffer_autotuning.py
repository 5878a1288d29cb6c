"""Buffer autotuning: whether the kernels enlarged their buffers during the transfer, and why or why not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from testbed.analysis.findings.evidence import samples
from testbed.analysis.findings.measured import Fact, Measured, Phrase, Source, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.findings.stall import kernel_of
from testbed.analysis.join.observation import End, Observation, Role


class BufferSize(StrEnum):
    """How the size of a socket buffer changed, and why."""

    LOCKED_AT_TWICE = "locked at twice the request"
    """The program set it: setsockopt(2) doubles what it requests (socket(7)) and locks it."""
    LOCKED_AT_MAXIMUM = "locked at the maximum"
    """The program requested more than this kernel allows."""
    LOCKED_AT_MINIMUM = "locked at the minimum"
    """The program requested less than the minimum of this kernel."""
    GREW = "grew"
    STAYED = "stayed"
    GREW_BEFORE = "grew before the first sample"
    NOT_READ = "stayed: nobody read"
    """A receive buffer grows only for a program that reads."""
    SUFFICED = "stayed: it sufficed"


@dataclass(frozen=True, slots=True)
class BufferAutotuning(Fact):
    """Both socket buffers, first and largest; those of an end that was not sampled are null."""

    sndbuf: BufferSize | None = None
    sndbuf_first_bytes: int | None = None
    sndbuf_max_bytes: int | None = None
    rcvbuf: BufferSize | None = None
    rcvbuf_first_bytes: int | None = None
    rcvbuf_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class BufferNotSampled(Fact):
    """The size of this end's buffer."""

    role: Role
    field: str


def measure(observation: Observation) -> Answer:
    """Measure how the buffers grew, unless the programs set both."""
    ends = {"sndbuf": observation.sender, "rcvbuf": observation.receiver}
    if observation.sender.samples is None and observation.receiver.samples is None:
        return unobservable(NoSamples(None))
    if observation.requested.get("sndbuf") and observation.requested.get("rcvbuf"):
        return not_applicable("both buffers were set by the programs, which switches autotuning off")
    found: dict[str, Any] = {}
    evidence: list[Source] = []
    unknown: list[Phrase] = []
    grew = 0.0
    for field, end in ends.items():
        span = _span(end, field)
        if span is None:
            unknown.append(BufferNotSampled(end.role, field))
            continue
        first, most = span
        found |= {field: _size(observation, field, first, most)}
        found |= {f"{field}_first_bytes": first, f"{field}_max_bytes": most}
        evidence += _evidence(end, field)
        grew = max(grew, 1 - first / most if most else 0.0)
    if not found:
        return unobservable("no sample contains a buffer size")
    return Measured(
        BufferAutotuning(**found), evidence=evidence, not_observed=unknown, strength=round(0.1 + 0.2 * grew, 3)
    )


def _span(end: End, field: str) -> tuple[int, int] | None:
    """Return the first and the largest size of an end's buffer."""
    if end.samples is None or not end.samples.has(field):
        return None
    sizes = end.samples.column(field)
    sizes = sizes[sizes > 0]
    return (int(sizes[0]), int(sizes.max())) if len(sizes) else None


def _size(observation: Observation, field: str, first: int, most: int) -> BufferSize:
    requested = observation.requested.get(field)
    if requested:
        return _locked(requested, most)
    if most > first:
        return BufferSize.GREW
    if field == "sndbuf":
        return BufferSize.STAYED
    if most > kernel_of(observation).default_rcvbuf_bytes:
        return BufferSize.GREW_BEFORE
    return BufferSize.NOT_READ if observation.zero_window_periods else BufferSize.SUFFICED


def _locked(requested: int, given: int) -> BufferSize:
    if given == 2 * requested:
        return BufferSize.LOCKED_AT_TWICE
    return BufferSize.LOCKED_AT_MAXIMUM if given < 2 * requested else BufferSize.LOCKED_AT_MINIMUM


def _evidence(end: End, field: str) -> list[Source]:
    assert end.samples is not None
    description = {"sndbuf": "sndbuf over time", "rcvbuf": "rcvbuf over time"}[field]
    return samples(end, end.samples, end.samples.column(field) > 0, description)


RULE: Final = Rule(
    "buffer-autotuning",
    "Did the kernels enlarge their buffers, and why or why not?",
    "`sndbuf`, `rcvbuf` over time, what the programs requested of setsockopt",
    (BufferAutotuning,),
    measure,
)
