"""What probes of an impairment must look like, by its own model: closed form for a fixed delay, else by simulation.

The simulation sends virtual rounds of probes through the pure pipeline, so every impairment is covered by the code
that the user engine runs, and the kernel engine is judged by the same measure.
"""

from dataclasses import dataclass, replace

from netem.pipeline import Pipeline, Resources
from netem.spec import Impairment
from netem.spec.model import Extension

ROUNDS = 200
"""Simulated rounds: their extremes leave out one true round in a hundred a side."""
MAX_PROBING_NS = 300_000_000
_PACE_NS = 1_000_000
_MIN_PROBES = 5
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Expectation:
    """Bounds for one round of probes; delays are None where no probe can be expected to arrive."""

    low_p50_ns: int | None
    high_p50_ns: int | None
    longest_ns: int
    low_received: int
    high_received: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How many probes, how far apart."""

    probes: int
    pace_ns: int


def probed(impairment: Impairment) -> Impairment:
    """Return what is done to probes: the same, but nothing that goes by packet number, time of day or protocol."""
    ours = replace(impairment.extension, drop_list=(), blackholes=(), filter=None)
    return replace(impairment, extension=ours)


def plan(impairments: tuple[Impairment, ...], probes: int, frame_bytes: int) -> Plan:
    """Pace the probes so that they do not queue behind each other, and fewer rather than longer; all fit in a queue."""
    transmission_ns = max((_transmission_ns(each, frame_bytes) for each in impairments), default=0)
    pace_ns = max(_PACE_NS, 4 * transmission_ns)
    affordable = max(_MIN_PROBES, MAX_PROBING_NS // pace_ns)
    room = min((each for each in map(_room, impairments) if each), default=probes)
    return Plan(min(probes, room) if pace_ns == _PACE_NS else min(probes, room, affordable), pace_ns)


def _room(impairment: Impairment) -> int:
    """Return how many probes may wait at once without one being lost to the limit; 0 where it does not tell."""
    limit = impairment.limit_packets or 0
    return limit if not limit or impairment.duplicate is None else max(1, limit // 2)


def expect(impairment: Impairment, sending: Plan, frame_bytes: int, resources: Resources) -> Expectation:
    """Return what a round of probes through `impairment` looks like.

    Raises SpecError when a table or a trace is missing.
    """
    fixed_ns = _fixed_delay_ns(impairment, frame_bytes)
    if fixed_ns is not None:
        return Expectation(fixed_ns, fixed_ns, fixed_ns, sending.probes, sending.probes)
    rounds = [_simulate(impairment, seed, sending, frame_bytes, resources) for seed in range(ROUNDS)]
    medians = [delays[len(delays) // 2] for delays in rounds if delays]
    return Expectation(
        min(medians) if medians else None,
        max(medians) if medians else None,
        max((delays[-1] for delays in rounds if delays), default=0),
        min(len(delays) for delays in rounds),
        max(len(delays) for delays in rounds),
    )


def _fixed_delay_ns(impairment: Impairment, frame_bytes: int) -> int | None:
    """Return the one delay that all probes have; None when they differ or may be lost, or nobody has thought of it."""
    delay, ours = impairment.delay, impairment.extension
    covered = Impairment(
        limit_packets=impairment.limit_packets or None,
        delay=delay,
        duplicate=impairment.duplicate,
        rate=impairment.rate,
        seed=impairment.seed,
        extension=Extension(
            keep_order=ours.keep_order,
            per_segment=ours.per_segment,
            true_correlation=ours.true_correlation,
            impair_nd=ours.impair_nd,
        ),
    )
    if impairment != covered or (delay is not None and delay.jitter_ns):
        return None
    if impairment.rate is not None and (impairment.rate.cell_bytes or impairment.rate.overhead_bytes):
        return None
    return (delay.delay_ns if delay else 0) + _transmission_ns(impairment, frame_bytes)


def _transmission_ns(impairment: Impairment, frame_bytes: int) -> int:
    return frame_bytes * 8 * _NANOSECONDS // impairment.rate.rate_bps if impairment.rate else 0


def _simulate(impairment: Impairment, seed: int, sending: Plan, frame_bytes: int, resources: Resources) -> list[int]:
    """Return the sorted delays of the probes of one virtual round that arrive whole."""
    pipeline = Pipeline(replace(impairment, seed=None), seed, resources=resources)
    arrived: dict[int, int] = {}
    for number in range(sending.probes):
        now_ns = _NANOSECONDS + number * sending.pace_ns
        _collect(pipeline, now_ns, arrived)
        pipeline.push(_virtual_probe(number, frame_bytes), now_ns)
        _collect(pipeline, now_ns, arrived)
    while (due_ns := pipeline.next_due_ns()) is not None:
        _collect(pipeline, due_ns, arrived)
        if pipeline.next_due_ns() == due_ns:
            break
    return sorted(at_ns - _NANOSECONDS - number * sending.pace_ns for number, at_ns in arrived.items())


def _virtual_probe(number: int, frame_bytes: int) -> bytes:
    mark = number.to_bytes(4, "big")  # twice, so that no flipped bit makes one probe of another
    return mark + bytes(8) + b"\x08\x00" + mark + bytes(frame_bytes - 18)


def _collect(pipeline: Pipeline, now_ns: int, arrived: dict[int, int]) -> None:
    """Take what is due up to now, each frame at its own time."""
    while (due_ns := pipeline.next_due_ns()) is not None and due_ns <= now_ns:
        frames = pipeline.pop_due(due_ns)
        if not frames:
            return
        for frame in frames:
            number = int.from_bytes(frame[:4], "big")
            # A corrupted probe fails its checksum at the receiver, so it counts as lost.
            if bytes(frame) == _virtual_probe(number, len(frame)):
                arrived.setdefault(number, due_ns)
