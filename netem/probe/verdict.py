"""The verdict on one direction of a round: two-sided, with one sentence that gives the difference."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from netem.probe.delays import Delays
from netem.probe.model import Expectation

EARLY_TOLERANCE_NS = 100_000
"""No link delivers early; this is the resolution of timestamps that two processes take."""
DELAY_TOLERANCE_NS = 2_000_000
REALTIME_DELAY_TOLERANCE_NS = 500_000
DELAY_TOLERANCE_SHARE = 0.01
"""A busy host delivers late: the median may exceed the model by 2 ms and 1 % of the delay, or by 0.5 ms and 1 % where
the user engine runs under a real-time policy.

An emulated machine gets a larger tolerance in its settings.
"""
_Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the probes met the expectation, and why."""

    ok: bool
    sentence: str


def delay_tolerance_ns(requested_ms: float | None, *, realtime: bool) -> int:
    """Return the tolerance for the median: the requested one, else that of the engine's scheduling policy."""
    if requested_ms is not None:
        return round(requested_ms * 1e6)
    return REALTIME_DELAY_TOLERANCE_NS if realtime else DELAY_TOLERANCE_NS


def loss_interval(sent: int, received: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of the loss probability (Wilson 1927)."""
    if not sent:
        return 0.0, 1.0
    lost = (sent - received) / sent
    centre = lost + _Z_95**2 / (2 * sent)
    half = _Z_95 * sqrt(lost * (1 - lost) / sent + _Z_95**2 / (4 * sent**2))
    scale = 1 + _Z_95**2 / sent
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def judge(
    expected: Expectation,
    sent: int,
    received: int,
    delays: Delays | None,
    delay_tolerance_ns: int = DELAY_TOLERANCE_NS,
) -> Verdict:
    """Compare a measured round with the bounds that the model allows."""
    if not expected.low_received <= received <= expected.high_received:
        allowed = _range(expected.low_received, expected.high_received, str)
        return Verdict(False, f"{received} of {sent} probes arrived; the impairment allows {allowed}.")
    if delays is None or expected.low_p50_ns is None or expected.high_p50_ns is None:
        return Verdict(True, f"None of {sent} probes arrived, as expected.")
    low_ns = expected.low_p50_ns - EARLY_TOLERANCE_NS
    high_ns = expected.high_p50_ns + delay_tolerance_ns + int(expected.high_p50_ns * DELAY_TOLERANCE_SHARE)
    allowed = _range(expected.low_p50_ns, expected.high_p50_ns, _milliseconds)
    measured = f"The median one-way delay of {received} probes is {_milliseconds(delays.p50)}"
    if delays.p50 < low_ns:
        early = _milliseconds(expected.low_p50_ns - delays.p50)
        return Verdict(False, f"{measured}, {early} less than expected ({allowed}).")
    if delays.p50 > high_ns:
        late = _milliseconds(delays.p50 - expected.high_p50_ns)
        return Verdict(False, f"{measured}, {late} more than expected ({allowed}).")
    return Verdict(True, f"{measured}; expected: {allowed}.")


def _milliseconds(time_ns: int) -> str:
    return f"{time_ns / 1e6:.3f} ms"


def _range(low: int, high: int, write: Callable[[int], str]) -> str:
    return write(low) if low == high else f"{write(low)} to {write(high)}"
