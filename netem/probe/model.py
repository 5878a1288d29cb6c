"""The expected outcome of a round of probes: in closed form for a fixed delay, else by simulation.

The simulation sends virtual rounds of probes through the pure pipeline. It covers every impairment with the code that
the user engine runs, and judges the kernel engine by the same model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from netem.pipeline import Pipeline, Resources
from netem.spec import Impairment
from netem.spec.model import Extension

ROUNDS = 200
"""Simulated rounds; about 1 % of real rounds lie outside their extremes on each side."""
MAX_PROBING_NS = 300_000_000
_PACE_NS = 1_000_000
_MIN_PROBES = 5
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Expectation:
    """Bounds for one round of probes; the medians are None when no probe is expected to arrive."""

    low_p50_ns: int | None
    high_p50_ns: int | None
    longest_ns: int
    low_received: int
    high_received: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How many probes a round sends, and the interval between them."""

    probes: int
    pace_ns: int

    @property
    def times_ns(self) -> Sequence[int]:
        """The send time of each probe, relative to the first."""
        return range(0, self.probes * self.pace_ns, self.pace_ns)


def plan(impairments: tuple[Impairment, ...], probes: int, frame_bytes: int) -> Plan:
    """Choose the number and interval of probes for these impairments.

    Probes must not queue behind each other at a low rate; a round sends fewer probes rather than take longer. No more
    probes are sent than the smallest queue holds.
    """
    transmission_ns = max((_transmission_ns(each, frame_bytes) for each in impairments), default=0)
    pace_ns = max(_PACE_NS, 4 * transmission_ns)
    affordable = max(_MIN_PROBES, MAX_PROBING_NS // pace_ns)
    capacity = min((each for each in map(_queue_capacity, impairments) if each), default=probes)
    return Plan(min(probes, capacity) if pace_ns == _PACE_NS else min(probes, capacity, affordable), pace_ns)


def _queue_capacity(impairment: Impairment) -> int:
    """Return how many probes the queue holds before its limit drops one; 0 when it has no limit."""
    limit = impairment.limit_packets or 0
    return limit if not limit or impairment.duplicate is None else max(1, limit // 2)


def depends_on_arrivals(impairment: Impairment) -> bool:
    """Whether the delay of a probe depends on the arrival times of all probes, as with a rate, slots or a trace.

    The expectation then needs the real send times: a peer behind slots, for example, echoes in bunches.
    """
    return any((impairment.rate, impairment.slot, impairment.extension.trace))


def expect(impairment: Impairment, sent_ns: Sequence[int], frame_bytes: int, resources: Resources) -> Expectation:
    """Return the bounds for probes that are sent through `impairment` at these times, in ascending order.

    Raises SpecError when a table or a trace is missing.
    """
    fixed_ns = _fixed_delay_ns(impairment, sent_ns, frame_bytes)
    if fixed_ns is not None:
        return Expectation(fixed_ns, fixed_ns, fixed_ns, len(sent_ns), len(sent_ns))
    rounds = [_simulate(impairment, seed, sent_ns, frame_bytes, resources) for seed in range(ROUNDS)]
    medians = [delays[len(delays) // 2] for delays in rounds if delays]
    return Expectation(
        min(medians) if medians else None,
        max(medians) if medians else None,
        max((delays[-1] for delays in rounds if delays), default=0),
        min(len(delays) for delays in rounds),
        max(len(delays) for delays in rounds),
    )


def adjust_to_sent(expected: Expectation, sent: int, planned: int) -> Expectation:
    """Return the bounds for a direction in which only `sent` of the planned probes were sent."""
    low = max(0, expected.low_received - (planned - sent))
    return replace(expected, low_received=low, high_received=min(sent, expected.high_received))


def _fixed_delay_ns(impairment: Impairment, sent_ns: Sequence[int], frame_bytes: int) -> int | None:
    """Return the delay of every probe; None when delays differ, probes may be lost, or no closed form is known."""
    delay, extension = impairment.delay, impairment.extension
    covered = Impairment(
        limit_packets=impairment.limit_packets or None,
        delay=delay,
        duplicate=impairment.duplicate,
        rate=impairment.rate,
        seed=impairment.seed,
        extension=Extension(
            keep_order=extension.keep_order,
            per_segment=extension.per_segment,
            true_correlation=extension.true_correlation,
            impair_nd=extension.impair_nd,
        ),
    )
    if impairment != covered or (delay is not None and delay.jitter_ns):
        return None
    if impairment.rate is not None and (impairment.rate.cell_bytes or impairment.rate.overhead_bytes):
        return None
    transmission_ns = _transmission_ns(impairment, frame_bytes)
    if transmission_ns and any(late - early < transmission_ns for early, late in pairwise(sent_ns)):
        return None
    return (delay.delay_ns if delay else 0) + transmission_ns


def _transmission_ns(impairment: Impairment, frame_bytes: int) -> int:
    return frame_bytes * 8 * _NANOSECONDS // impairment.rate.rate_bps if impairment.rate else 0


def _simulate(
    impairment: Impairment, seed: int, sent_ns: Sequence[int], frame_bytes: int, resources: Resources
) -> list[int]:
    """Return the sorted delays of the probes that arrive intact in one virtual round."""
    pipeline = Pipeline(replace(impairment, seed=None), seed, resources=resources)
    arrived: dict[int, int] = {}
    times_ns = [_NANOSECONDS + each - sent_ns[0] for each in sent_ns]
    if impairment.extension.trace and seed % 2:
        # A trace starts at the first packet that it meets; for a repeated round that was in an earlier round.
        trace_start_ns = Random(seed).randrange(_NANOSECONDS)  # noqa: S311 - repeatable on purpose
        pipeline.push(_virtual_probe(len(times_ns), frame_bytes), trace_start_ns)
    for number, now_ns in enumerate(times_ns):
        _collect(pipeline, now_ns, arrived)
        pipeline.push(_virtual_probe(number, frame_bytes), now_ns)
        _collect(pipeline, now_ns, arrived)
    while (due_ns := pipeline.next_due_ns()) is not None:
        _collect(pipeline, due_ns, arrived)
        if pipeline.next_due_ns() == due_ns:
            break
    return sorted(at_ns - times_ns[number] for number, at_ns in arrived.items() if number < len(times_ns))


def _virtual_probe(number: int, frame_bytes: int) -> bytes:
    mark = number.to_bytes(4, "big")  # twice, so that a flipped bit cannot turn one probe into another
    return mark + bytes(8) + b"\x08\x00" + mark + bytes(frame_bytes - 18)


def _collect(pipeline: Pipeline, now_ns: int, arrived: dict[int, int]) -> None:
    """Pop the frames that are due by now, each at its own time."""
    while (due_ns := pipeline.next_due_ns()) is not None and due_ns <= now_ns:
        frames = pipeline.pop_due(due_ns)
        if not frames:
            return
        for frame in frames:
            number = int.from_bytes(frame[:4], "big")
            # A corrupted probe fails its checksum at the receiver, so it counts as lost.
            if bytes(frame) == _virtual_probe(number, len(frame)):
                arrived.setdefault(number, due_ns)
