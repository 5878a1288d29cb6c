"""Window probes: how often the sender asked whether the closed window is open again, expected and observed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.findings.evidence import frames
from testbed.analysis.findings.measured import not_applicable, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.analysis.packets.model import Frames
from testbed.analysis.packets.zero_window import ZeroWindowPeriod
from testbed.analysis.predict import MIN_RTO_S, probes_per_closure
from testbed.units import format_seconds, pluralize, times

NAME: Final = "window-probes"

COUNTER: Final = "TcpExtTCPWinProbe"

TICK_S: Final = 0.02
"""The kernel's timers are coarse: the first probe comes a little after the RTO."""
TOLERANCE: Final = 0.5


def measure(observation: Observation) -> Answer:
    """Speak when the sender probed a closed window."""
    end = observation.wire()
    if end is None or end.connection is None:
        return unobservable("no capture shows the sender's frames")
    marked = end.connection.frames
    probes = observation.probes(marked)
    count = int(probes.sum())
    if not count:
        reason = (
            "no closure lasted long enough to be probed"
            if observation.zero_window_periods
            else "there was no closed window to probe"
        )
        return not_applicable(reason)
    waits_s = [_first_rto_s(observation, closure) for closure in observation.zero_window_periods] or [
        MIN_RTO_S + TICK_S
    ]
    rto_s = float(np.median(waits_s))
    expected = sum(
        probes_per_closure(max(0, closure.duration_ns) / 1e9, wait_s)
        for closure, wait_s in zip(observation.zero_window_periods, waits_s, strict=False)
    )
    unanswered = int((probes & ~_answered(observation, marked)).sum())
    numbers: dict[str, float | int | str] = {
        "probes": count,
        "expected_probes": expected,
        "unanswered_probes": unanswered,
        "closures": len(observation.zero_window_periods),
        "first_rto_s": round(rto_s, 4),
        "longest_wait_s": round(_longest_wait_s(marked, probes), 6),
    }
    kernel = observation.sender.counter(COUNTER)
    if kernel is not None:
        numbers["kernel_probes"] = kernel
    silence = f"; {unanswered} got no answer, as answers are limited to one in 0.5 s" if unanswered else ""
    return untyped(
        sentence=(
            f"The sender probed the closed window {times(count)}; a wait that doubles from "
            f"{format_seconds(rto_s)} makes {expected} in {_lengths(len(observation.zero_window_periods))}"
            f"{silence}. Wireshark calls these frames keep-alives."
        ),
        numbers=numbers,
        evidence=frames(end, probes, "window probes", "tcp.analysis.keep_alive"),
        confidence="high" if end.capture and end.capture.complete is not False else "medium",
        contradicted_by=_contradicting(count, expected, len(observation.zero_window_periods), kernel),
        not_observed=[] if kernel is not None else [f"the kernel's own count ({COUNTER})"],
        strength=round(0.6 * min(1.0, observation.closed_ns / 1e9 / (observation.sending_s or 1e9)), 3),
    )


def _lengths(closures: int) -> str:
    return f"{pluralize(closures, 'closure')} of {'this length' if closures == 1 else 'these lengths'}"


def _first_rto_s(observation: Observation, closure: ZeroWindowPeriod) -> float:
    """Return the wait before the first probe of a closure: the retransmission time-out when it began."""
    samples = observation.sender.samples
    if samples is None or not samples.has("rto"):
        return MIN_RTO_S + TICK_S
    at = int(np.searchsorted(samples.at_ns, closure.start_ns - observation.realtime_offset_ns))
    told = samples.column("rto")[min(at, len(samples) - 1)]
    return float(told) / 1e6 + TICK_S / 2 if told > 0 else MIN_RTO_S + TICK_S


def _answered(observation: Observation, marked: Frames) -> NDArray[np.bool_]:
    """Tell for each frame whether the next one is the other side's; what came after the last one was not seen."""
    found = np.ones(len(marked), np.bool_)
    sent = observation.from_sender(marked)
    found[:-1] = sent[:-1] & ~sent[1:]
    return found


def _longest_wait_s(marked: Frames, probes: NDArray[np.bool_]) -> float:
    before = marked.time_ns[np.maximum(np.flatnonzero(probes) - 1, 0)]
    return float((marked.time_ns[probes] - before).max()) / 1e9


def _contradicting(count: int, expected: int, closures: int, kernel: int | None) -> list[str]:
    found = []
    # One probe more or less a closure depends on where within a tick it began.
    if abs(count - expected) > max(TOLERANCE * expected, closures):
        found.append(f"{count} probes are seen where the law expects {expected}")
    if kernel is not None and kernel != count:
        found.append(f"the sender's kernel counts {kernel} probes")
    return found


RULE: Final = Rule(
    NAME,
    "How often was a closed window probed, and is that what exponential backoff makes?",
    "keep-alive frames while the peer's window is 0, `rto`, the kernel's TCPWinProbe",
    (Untyped,),
    measure,
)
