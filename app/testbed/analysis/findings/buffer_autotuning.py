"""Buffer autotuning: whether the kernels made their buffers greater during the transfer, and why or why not."""

from typing import Final

from testbed.analysis.findings.evidence import samples
from testbed.analysis.findings.measured import Source, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.findings.stall import kernel_of
from testbed.analysis.findings.untyped import Untyped, sentence_of, untyped
from testbed.analysis.join.observation import End, Observation
from testbed.units import format_bytes

NAME: Final = "buffer-autotuning"


def measure(observation: Observation) -> Answer:
    """Speak when a buffer grew, or could have grown and did not."""
    ends = {"sndbuf": observation.sender, "rcvbuf": observation.receiver}
    if observation.sender.samples is None and observation.receiver.samples is None:
        return unobservable(NoSamples(None))
    if observation.requested.get("sndbuf") and observation.requested.get("rcvbuf"):
        return not_applicable("both buffers were set by the programs, which switches autotuning off")
    parts, evidence, unknown = [], [], []
    numbers: dict[str, float | int | str] = {}
    grew = 0.0
    for field, end in ends.items():
        span = _span(end, field)
        if span is None:
            unknown.append(f"the {end.role}'s {field}")
            continue
        first, most = span
        numbers |= {f"{field}_first_bytes": first, f"{field}_max_bytes": most}
        parts.append(_part(observation, field, first, most))
        evidence += _evidence(end, field)
        grew = max(grew, 1 - first / most if most else 0.0)
    if not parts:
        return unobservable("no sample tells the size of a buffer")
    return untyped(
        sentence=sentence_of("; ".join(parts)),
        numbers=numbers,
        evidence=evidence,
        not_observed=unknown,
        strength=round(0.1 + 0.2 * grew, 3),
    )


def _span(end: End, field: str) -> tuple[int, int] | None:
    if end.samples is None or not end.samples.has(field):
        return None
    told = end.samples.column(field)
    told = told[told > 0]
    return (int(told[0]), int(told.max())) if len(told) else None


def _part(observation: Observation, field: str, first: int, most: int) -> str:
    who = "The sender's buffer" if field == "sndbuf" else "the receiver's buffer"
    if observation.requested.get(field):
        return f"{who} is {format_bytes(most)}, {_than_asked(observation.requested[field], most)}, and locked"
    if most > first:
        why = (
            "as its congestion window grew" if field == "sndbuf" else "as the program read fast enough to ask for more"
        )
        return f"{who} grew from {format_bytes(first)} to {format_bytes(most)}, {why}"
    if field == "sndbuf":
        return f"{who} stayed at {format_bytes(most)} while it was sampled"
    if most > kernel_of(observation).default_rcvbuf_bytes:
        return f"{who} had grown to {format_bytes(most)} when it was first sampled"
    if observation.zero_window_periods:
        return f"{who} stayed at {format_bytes(most)}: it grows only for a program that reads"
    return f"{who} stayed at {format_bytes(most)}: it sufficed"


def _than_asked(requested: int, given: int) -> str:
    """Compare with what was asked of setsockopt(2): the double, within what the kernel allows (socket(7))."""
    if given == 2 * requested:
        return "twice what the program asked for"
    most = "the most that this kernel gives to a program that asks for more"
    return most if given < 2 * requested else "the least that this kernel gives"


def _evidence(end: End, field: str) -> list[Source]:
    assert end.samples is not None
    return samples(end, end.samples, end.samples.column(field) > 0, f"{field} over time")


RULE: Final = Rule(
    NAME,
    "Did the kernels enlarge their buffers, and why or why not?",
    "`sndbuf`, `rcvbuf` over time, what was asked of setsockopt",
    (Untyped,),
    measure,
)
