"""The verdict on one round of probes in one direction: two-sided, with one sentence that says by how much."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from netem.probe.model import Expectation

EARLY_TOLERANCE_NS = 100_000
"""Nothing delivers early; this is the resolution of stamps that are taken by two processes."""
LATE_TOLERANCE_NS = 2_000_000
LATE_TOLERANCE_SHARE = 0.01
"""A busy host delivers late: 2 ms and a hundredth of the delay, in the median; an emulated one is given more."""
_Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Delays:
    """Order statistics of one-way delays in nanoseconds."""

    min: int
    p50: int
    p99: int
    max: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the probes were as asked, and why."""

    ok: bool
    sentence: str


def summarize(delays_ns: list[int]) -> Delays | None:
    """Return the order statistics; None of nothing."""
    if not delays_ns:
        return None
    ordered = sorted(delays_ns)
    return Delays(ordered[0], ordered[len(ordered) // 2], ordered[(len(ordered) - 1) * 99 // 100], ordered[-1])


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
    late_tolerance_ns: int = LATE_TOLERANCE_NS,
) -> Verdict:
    """Compare what was measured with what the model allows."""
    if not expected.low_received <= received <= expected.high_received:
        return Verdict(
            False,
            f"{received} of {sent} probes arrived; the impairment lets "
            f"{_range(expected.low_received, expected.high_received, str)} arrive.",
        )
    if delays is None or expected.low_p50_ns is None or expected.high_p50_ns is None:
        return Verdict(True, f"None of {sent} probes arrived, as asked.")
    low_ns = expected.low_p50_ns - EARLY_TOLERANCE_NS
    high_ns = expected.high_p50_ns + late_tolerance_ns + int(expected.high_p50_ns * LATE_TOLERANCE_SHARE)
    requested = _range(expected.low_p50_ns, expected.high_p50_ns, _milliseconds)
    measured = f"The median one-way delay of {received} probes is {_milliseconds(delays.p50)}; asked is {requested}"
    if delays.p50 < low_ns:
        return Verdict(False, f"{measured}: {_milliseconds(expected.low_p50_ns - delays.p50)} too early.")
    if delays.p50 > high_ns:
        return Verdict(False, f"{measured}: {_milliseconds(delays.p50 - expected.high_p50_ns)} too late.")
    return Verdict(True, f"{measured}.")


def _milliseconds(time_ns: int) -> str:
    return f"{time_ns / 1e6:.3f} ms"


def _range(low: int, high: int, write: Callable[[int], str]) -> str:
    return write(low) if low == high else f"{write(low)} to {write(high)}"
