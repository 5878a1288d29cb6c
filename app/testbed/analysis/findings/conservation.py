"""Conservation: every byte that was accepted is read, in the receiver's queue or in the sender's."""

from typing import Final

from testbed.analysis.findings.evidence import lines
from testbed.analysis.findings.measured import Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.conservation import Conservation, check
from testbed.analysis.join.observation import Observation
from testbed.analysis.join.timeline import Timeline
from testbed.units import pluralize

NAME: Final = "conservation"


def measure(observation: Observation) -> Answer:
    """Speak when at least one stalled state was sampled."""
    for end in (observation.sender, observation.receiver):
        if end.samples is None:
            return unobservable(NoSamples(end.role))
    timeline = observation.timeline
    assert timeline is not None
    checked = check(timeline)
    if not checked.states:
        return not_applicable("no sample shows a stalled state: something was always moving")
    numbers: dict[str, float | int | str] = {"stalled_states": checked.states, "samples": len(checked.checked)}
    if not checked.exact:
        return _gap(observation, timeline, checked, numbers)
    source = "bytes that write() said it took" if checked.by_log else "bytes that the kernel accepted"
    if checked.partly_written_bytes:
        numbers["partly_written_max_bytes"] = checked.partly_written_bytes
        source += " (the part of a blocked write included)"
    return untyped(
        sentence=(
            f"The instruments agree: in {_all(checked.states)} "
            f"({pluralize(len(checked.checked), 'sample')}) the {source} are, to the byte, those read, those in the "
            "receiver's queue and those in the sender's."
        ),
        numbers=numbers,
        evidence=lines(observation.sender, timeline.line[checked.checked], "samples between which nothing moved"),
        not_observed=[] if checked.by_log else ["the program's own count of written bytes"],
        strength=0.1,
    )


def _all(states: int) -> str:
    return "the one stalled state" if states == 1 else f"all {states} stalled states"


def _gap(
    observation: Observation, timeline: Timeline, checked: Conservation, numbers: dict[str, float | int | str]
) -> Measured[Untyped]:
    gaps = checked.gap_bytes[checked.violated]
    least, most = int(gaps.min()), int(gaps.max())
    numbers |= {"violated_samples": len(gaps), "gap_min_bytes": least, "gap_max_bytes": most}
    return untyped(
        sentence=(
            f"The instruments disagree: in {pluralize(len(gaps), 'sample')} of {len(checked.checked)} in which nothing "
            f"moved, read and queued bytes are {least} to {most} off what was written. A sample, a call or the right "
            "connection is missing."
        ),
        numbers=numbers,
        evidence=lines(
            observation.sender, timeline.line[checked.checked[checked.violated]], "the sum does not come out here"
        ),
        confidence="medium",
        strength=0.9,
    )


RULE: Final = Rule(
    NAME,
    "Do write log, samples of both ends and read log agree to the byte?",
    "samples of both ends, both logs",
    (Untyped,),
    measure,
)
