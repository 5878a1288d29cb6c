"""Window probes: how often the sender probed the closed window, expected and observed (RFC 9293, 3.8.6.1)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import Fact, Measured, Phrase, not_applicable, unobservable
from testbed.analysis.findings.rule import NO_SENDER_FRAMES, Answer, Rule
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.model import Frames
from testbed.analysis.packets.zero_window import ZeroWindowPeriod
from testbed.analysis.predict import MIN_RTO_S, probes_per_period

COUNTER: Final = "TcpExtTCPWinProbe"

TICK_S: Final = 0.02
"""The kernel's timers are coarse: the first probe comes a little after the RTO."""
TOLERANCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class WindowProbes(Fact):
    """Probes of a closed window. `expected_probes` is what exponential backoff from `first_rto_s` predicts."""

    probes: int
    expected_probes: int
    unanswered_probes: int
    periods: int
    first_rto_s: float
    longest_wait_s: float
    kernel_probes: int | None


@dataclass(frozen=True, slots=True)
class NotAsExpected(Fact):
    """Another number of probes than backoff predicts."""

    probes: int
    expected_probes: int


@dataclass(frozen=True, slots=True)
class KernelCountsProbes(Fact):
    """The sender's kernel counts another number of probes than its capture shows."""

    kernel_probes: int


def measure(observation: Observation) -> Answer:
    """Count the probes of a closed window, and what exponential backoff predicts."""
    end = observation.wire()
    if end is None or end.connection is None:
        return unobservable(NO_SENDER_FRAMES)
    periods = observation.zero_window_periods
    marked = end.connection.frames
    probes = observation.probes(marked)
    if not probes.any():
        return not_applicable(
            "the window was never closed long enough to be probed" if periods else "there was no closed window to probe"
        )
    waits_s = [_first_rto_s(observation, period) for period in periods] or [MIN_RTO_S + TICK_S]
    fact = WindowProbes(
        probes=int(probes.sum()),
        expected_probes=sum(
            probes_per_period(max(0, period.duration_ns) / 1e9, wait_s)
            for period, wait_s in zip(periods, waits_s, strict=False)
        ),
        unanswered_probes=int((probes & ~_answered(observation, marked)).sum()),
        periods=len(periods),
        first_rto_s=round(float(np.median(waits_s)), 4),
        longest_wait_s=round(_longest_wait_s(marked, probes), 6),
        kernel_probes=observation.sender.counter(COUNTER),
    )
    return Measured(
        fact,
        evidence=frames(end, probes, "window probes", "tcp.analysis.keep_alive"),
        confidence="high" if end.capture and end.capture.complete is not False else "medium",
        contradicted_by=_contradictions(fact),
        not_observed=["the kernel's own count (TcpExtTCPWinProbe)"] if fact.kernel_probes is None else [],
        strength=round(0.6 * min(1.0, observation.closed_ns / 1e9 / (observation.sending_s or 1e9)), 3),
    )


def _first_rto_s(observation: Observation, period: ZeroWindowPeriod) -> float:
    """Return the wait before the first probe of a period: the retransmission time-out when it began."""
    samples = observation.sender.samples
    if samples is None or not samples.has("rto"):
        return MIN_RTO_S + TICK_S
    at = int(np.searchsorted(samples.at_ns, period.start_ns - observation.realtime_offset_ns))
    rto_us = samples.column("rto")[min(at, len(samples) - 1)]
    return float(rto_us) / 1e6 + TICK_S / 2 if rto_us > 0 else MIN_RTO_S + TICK_S


def _answered(observation: Observation, marked: Frames) -> NDArray[np.bool_]:
    """Return for each frame whether the next one is the other side's; the last one counts as answered."""
    found = np.ones(len(marked), np.bool_)
    sent = observation.from_sender(marked)
    found[:-1] = sent[:-1] & ~sent[1:]
    return found


def _longest_wait_s(marked: Frames, probes: NDArray[np.bool_]) -> float:
    before = marked.time_ns[np.maximum(np.flatnonzero(probes) - 1, 0)]
    return float((marked.time_ns[probes] - before).max()) / 1e9


def _contradictions(fact: WindowProbes) -> list[Phrase]:
    found: list[Phrase] = []
    # One probe more or less a period depends on where within a tick it began.
    if abs(fact.probes - fact.expected_probes) > max(TOLERANCE * fact.expected_probes, fact.periods):
        found.append(NotAsExpected(fact.probes, fact.expected_probes))
    if fact.kernel_probes is not None and fact.kernel_probes != fact.probes:
        found.append(KernelCountsProbes(fact.kernel_probes))
    return found


RULE: Final = Rule(
    "window-probes",
    "How often was a closed window probed, and is that what exponential backoff predicts?",
    "keep-alive frames while the peer's window is 0, `rto`, the kernel's TCPWinProbe",
    (WindowProbes,),
    measure,
)
