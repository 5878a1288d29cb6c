"""The measurement of one round in each direction, with its expected bounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from netem.probe.delays import Delays
from netem.probe.model import Expectation, Plan, adjust_to_sent, depends_on_arrivals
from netem.spec import Impairment

Direction = Literal["egress", "ingress"]
Expect = Callable[[Impairment, Sequence[int]], Expectation]
"""Bounds for probes that are sent through an impairment at these times."""


@dataclass(frozen=True, slots=True)
class DirectionModel:
    """The impairment of one direction and the bounds for the planned probes."""

    direction: Direction
    impairment: Impairment
    plan: Plan
    planned: Expectation

    def expected(self, sent_ns: Sequence[int], expect: Expect) -> Expectation:
        """Return the bounds for the probes that were really sent, in ascending order."""
        if depends_on_arrivals(self.impairment):
            return expect(self.impairment, sent_ns)
        return adjust_to_sent(self.planned, len(sent_ns), self.plan.probes)


@dataclass(frozen=True, slots=True)
class DirectionMeasurement:
    """The probes of one direction; for ingress these are the echoes."""

    direction: Direction
    impairment: Impairment
    expected: Expectation
    sent: int
    received: int
    delays: Delays | None
    delay_tolerance_ns: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """Both directions of one round."""

    egress: DirectionMeasurement
    ingress: DirectionMeasurement
    longest_ns: int
    """The longest time that a probe may travel there and back."""
    round_trips_ns: tuple[int, ...]
    clock_offset_ns: tuple[int, int]
    """How far the peer's clock is ahead, at least and at most: it answered after the request was sent and before the
    reply arrived, and neither is impaired."""
