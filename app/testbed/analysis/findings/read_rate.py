"""Read rate: what the receiver's pace lets through, predicted and observed, and how often it starved."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from testbed.analysis.events import Calls
from testbed.analysis.findings.evidence import calls
from testbed.analysis.findings.limits import find_limits
from testbed.analysis.findings.measured import Measured, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoLog, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.analysis.predict import receiver_bytes, slow_reader_goodput
from testbed.units import format_bytes, format_rate, format_seconds, percent, pluralize

NAME: Final = "read-rate"

PACED_SHARE: Final = 0.5
"""A reader that pauses for so much of its time sets the pace."""
STARVED_SHARE: Final = 0.1
MATCH: Final = 0.1


def measure(observation: Observation) -> Answer:
    """Speak when the receiver paused between its reads for most of the time."""
    reads = observation.receiver.calls("read")
    if reads is None:
        return unobservable(NoLog(observation.receiver.role))
    pauses = observation.receiver.calls("sleep")
    # The first read waits for the sender to begin.
    span_s = float(reads.end_ns[-1] - reads.end_ns[0]) / 1e9
    paused_s = float(pauses.duration_ns.sum()) / 1e9 if pauses is not None else 0.0
    if len(reads) < 3 or span_s <= 0 or paused_s < PACED_SHARE * span_s:
        return not_applicable("the receiver read without pausing")
    return _paced(observation, reads, span_s)


def _paced(observation: Observation, reads: Calls, span_s: float) -> Measured[Untyped]:
    limits = find_limits(observation)
    paces = limits is None or limits.limit == "receiver"
    full_bytes = int(observation.requested.get("read_size") or reads.size_bytes.max())
    # The first read gets what the sender began with, the last one what is left.
    short = reads.size_bytes[1:-1] < full_bytes
    waited_s = float(reads.duration_ns[1:].sum()) / 1e9
    period_s = (span_s - waited_s) / (len(reads) - 1)
    observed = float(reads.total_bytes[-1] - reads.size_bytes[0]) / span_s
    predicted = _predicted(observation, reads, full_bytes, period_s)
    numbers: dict[str, float | int | str] = {
        "reads": len(reads),
        "read_median_bytes": int(np.median(reads.size_bytes)),
        "requested_read_bytes": full_bytes,
        "period_s": round(period_s, 6),
        "observed_bytes_per_s": round(observed, 3),
        "predicted_bytes_per_s": round(predicted, 3),
        "short_share": round(float(short.mean()), 4),
    }
    off = abs(observed / predicted - 1) if predicted else 0.0
    return untyped(
        sentence=_sentence(numbers, paces=paces),
        numbers=numbers,
        evidence=calls(observation.receiver, reads, np.ones(len(reads), np.bool_), "the reads")
        + calls(
            observation.receiver,
            reads,
            np.concatenate(([False], short, [False])),
            "reads that brought less than was asked for",
        ),
        confidence="high" if off <= MATCH else "medium",
        contradicted_by=[f"observed and predicted differ by {percent(off)}"] if paces and off > MATCH else [],
        not_observed=[] if observation.receiver.samples is not None else ["the receiver's buffer"],
        strength=0.5 if paces else 0.2,
    )


def _sentence(numbers: Mapping[str, Any], *, paces: bool) -> str:
    starved = float(numbers["short_share"])
    observed, predicted = (format_rate(numbers[f"{name}_bytes_per_s"]) for name in ("observed", "predicted"))
    reads = (
        f"{pluralize(numbers['reads'], 'read')}, one every {format_seconds(numbers['period_s'])}, of "
        f"{format_bytes(numbers['requested_read_bytes'])} at most"
    )
    if not paces:
        short = f"; {percent(starved)} of the reads were short" if starved >= STARVED_SHARE else ""
        return (
            f"The receiver pauses after each read, but that is not what sets the pace: {reads} would bring "
            f"{predicted}, and {observed} came{short}."
        )
    sentence = f"The receiver sets the pace: {reads}, bring {observed}; predicted are {predicted}."
    if starved >= STARVED_SHARE:
        sentence += (
            f" {percent(starved)} of the reads were short: after the queue had run empty, the slow reader starved "
            "until the sender had filled it again."
        )
    return sentence


def _predicted(observation: Observation, reads: Calls, full_bytes: int, period_s: float) -> float:
    """Return the law's rate; what fits into the buffer at once is read at full pace."""
    samples, mss = observation.receiver.samples, observation.mss_bytes
    rcvbuf = samples.most("rcvbuf") if samples is not None else None
    if not rcvbuf or mss is None or int(reads.total_bytes[-1]) <= receiver_bytes(rcvbuf):
        return full_bytes / period_s
    return slow_reader_goodput(rcvbuf, mss, full_bytes, period_s, (observation.rtt_ms or 0.0) / 1e3)


RULE: Final = Rule(
    NAME,
    "What rate does the reader's pace allow, and did it get full reads?",
    "the log of reads, `rcvbuf`",
    (Untyped,),
    measure,
)
