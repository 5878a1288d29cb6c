"""Read rate: the rate that the receiver's reads allow, predicted and observed, and how often it starved."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import Calls
from testbed.analysis.findings.evidence import calls
from testbed.analysis.findings.limits import Limit, find_limits
from testbed.analysis.findings.measured import Fact, Measured, Source, not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, NoLog, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.predict import receiver_bytes, slow_reader_goodput

DELAYED_SHARE: Final = 0.5
"""A reader whose read delays take so much of its time may limit the rate."""
MATCH: Final = 0.1


@dataclass(frozen=True, slots=True)
class ReadRate(Fact):
    """Reads and the resulting rate, predicted and observed.

    `period_s` is the time from one read to the next, `short_share` the share of reads that returned less than the
    program requested; the first and the last read are not counted.
    """

    reads: int
    read_median_bytes: int
    requested_read_bytes: int
    period_s: float
    observed_bytes_per_s: float
    predicted_bytes_per_s: float
    short_share: float


@dataclass(frozen=True, slots=True)
class ReaderSetsRate(ReadRate):
    """The receiver's read delay limits the transfer."""


@dataclass(frozen=True, slots=True)
class ReaderKeepsUp(ReadRate):
    """The receiver has a read delay, but something else limits the transfer."""


@dataclass(frozen=True, slots=True)
class RateOffPrediction(Fact):
    """How far the observed rate is from the prediction, as a share of it."""

    difference_share: float


def measure(observation: Observation) -> Answer:
    """Measure the rate of reads when read delays take most of the time."""
    reads = observation.receiver.calls("read")
    if reads is None:
        return unobservable(NoLog(observation.receiver.role))
    delays = observation.receiver.calls("sleep")
    # The first read waits for the sender to begin.
    span_s = float(reads.end_ns[-1] - reads.end_ns[0]) / 1e9
    delayed_s = float(delays.duration_ns.sum()) / 1e9 if delays is not None else 0.0
    if len(reads) < 3 or span_s <= 0 or delayed_s < DELAYED_SHARE * span_s:
        return not_applicable("the receiver read without a read delay")
    return _with_delay(observation, reads, span_s)


def _with_delay(observation: Observation, reads: Calls, span_s: float) -> Measured[ReadRate]:
    limits = find_limits(observation)
    sets_rate = limits is None or limits.limit == Limit.RECEIVER
    full_bytes = int(observation.requested.get("read_size") or reads.size_bytes.max())
    # The first read gets what the sender began with, the last one what is left.
    short = reads.size_bytes[1:-1] < full_bytes
    waited_s = float(reads.duration_ns[1:].sum()) / 1e9
    period_s = (span_s - waited_s) / (len(reads) - 1)
    observed = float(reads.total_bytes[-1] - reads.size_bytes[0]) / span_s
    predicted = _predicted(observation, reads, full_bytes, period_s)
    figures: dict[str, Any] = {
        "reads": len(reads),
        "read_median_bytes": int(np.median(reads.size_bytes)),
        "requested_read_bytes": full_bytes,
        "period_s": round(period_s, 6),
        "observed_bytes_per_s": round(observed, 3),
        "predicted_bytes_per_s": round(predicted, 3),
        "short_share": round(float(short.mean()), 4),
    }
    off = abs(observed / predicted - 1) if predicted else 0.0
    return Measured(
        ReaderSetsRate(**figures) if sets_rate else ReaderKeepsUp(**figures),
        evidence=_evidence(observation, reads, short),
        confidence="high" if off <= MATCH else "medium",
        contradicted_by=[RateOffPrediction(off)] if sets_rate and off > MATCH else [],
        not_observed=[] if observation.receiver.samples is not None else ["the receiver's buffer"],
        strength=0.5 if sets_rate else 0.2,
    )


def _evidence(observation: Observation, reads: Calls, short: NDArray[np.bool_]) -> list[Source]:
    every, end = np.ones(len(reads), np.bool_), observation.receiver
    starved = np.concatenate(([False], short, [False]))
    return [
        *calls(end, reads, every, "the reads"),
        *calls(end, reads, starved, "reads that returned less than the program requested"),
    ]


def _predicted(observation: Observation, reads: Calls, full_bytes: int, period_s: float) -> float:
    """Return the predicted rate; every read of a transfer that fits into the buffer as a whole is full."""
    samples, mss = observation.receiver.samples, observation.mss_bytes
    rcvbuf = samples.most("rcvbuf") if samples is not None else None
    if not rcvbuf or mss is None or int(reads.total_bytes[-1]) <= receiver_bytes(rcvbuf):
        return full_bytes / period_s
    return slow_reader_goodput(rcvbuf, mss, full_bytes, period_s, (observation.rtt_ms or 0.0) / 1e3)


RULE: Final = Rule(
    "read-rate",
    "What rate does the read delay allow, and did the reader get full reads?",
    "the log of reads, `rcvbuf`",
    (ReaderSetsRate, ReaderKeepsUp),
    measure,
)
