"""Conservation: every byte that was accepted is read, in the receiver's queue or in the sender's."""

from dataclasses import dataclass
from typing import Final

from testbed.analysis.findings.evidence import lines
from testbed.analysis.findings.measured import Fact, Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoSamples, Rule
from testbed.analysis.join.conservation import check
from testbed.analysis.join.observation import Observation


@dataclass(frozen=True, slots=True)
class BytesConserved(Fact):
    """The sum is exact in all stalled states. `by_log` says whether the log of writes has the bytes accepted.

    `partly_written_max_bytes` is the largest part of a blocked write that the kernel had taken, null = none.
    """

    stalled_states: int
    samples: int
    by_log: bool
    partly_written_max_bytes: int | None


@dataclass(frozen=True, slots=True)
class BytesMissing(Fact):
    """The sum is wrong in `violated_samples` of the samples, by so many bytes."""

    stalled_states: int
    samples: int
    violated_samples: int
    gap_min_bytes: int
    gap_max_bytes: int


def measure(observation: Observation) -> Answer:
    """Check the sum in every stalled state that was sampled."""
    for end in (observation.sender, observation.receiver):
        if end.samples is None:
            return unobservable(NoSamples(end.role))
    timeline = observation.timeline
    assert timeline is not None
    checked = check(timeline)
    if not checked.states:
        return not_applicable("no sample shows a stalled state: something was always moving")
    if not checked.exact:
        gaps, wrong = checked.gap_bytes[checked.violated], checked.checked[checked.violated]
        return Measured(
            BytesMissing(
                stalled_states=checked.states,
                samples=len(checked.checked),
                violated_samples=len(gaps),
                gap_min_bytes=int(gaps.min()),
                gap_max_bytes=int(gaps.max()),
            ),
            evidence=lines(observation.sender, timeline.line[wrong], "samples in which the sum is wrong"),
            confidence="medium",
            strength=0.9,
        )
    return Measured(
        BytesConserved(
            stalled_states=checked.states,
            samples=len(checked.checked),
            by_log=checked.by_log,
            partly_written_max_bytes=checked.partly_written_bytes or None,
        ),
        evidence=lines(observation.sender, timeline.line[checked.checked], "samples between which nothing moved"),
        not_observed=[] if checked.by_log else ["the program's own count of written bytes"],
        strength=0.1,
    )


RULE: Final = Rule(
    "conservation",
    "Do write log, samples of both ends and read log agree to the byte?",
    "samples of both ends, both logs",
    (BytesConserved, BytesMissing),
    measure,
)
