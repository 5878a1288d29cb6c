"""The entries of the `verified` event's `probes`: one direction of one peer and family, measured and judged."""

from dataclasses import asdict, dataclass
from typing import Any

from netem.contract.settings import Family
from netem.probe.delays import Delays
from netem.probe.measurement import Direction, DirectionMeasurement
from netem.probe.verdict import judge, loss_interval
from netem.spec import format_impairment


@dataclass(frozen=True, slots=True)
class DirectionResult:
    """One entry; the fields are the keys of the event, in their order."""

    peer: str
    family: Family
    direction: Direction
    sent: int
    received: int
    loss_interval: tuple[float, float]
    requested: str
    delay_ns: Delays | None
    ok: bool
    sentence: str

    def facts(self) -> dict[str, Any]:
        """Return the JSON object of this entry."""
        return asdict(self)


def judge_direction(measured: DirectionMeasurement, peer: str, family: Family) -> DirectionResult:
    """Judge one direction of a round."""
    verdict = judge(measured.expected, measured.sent, measured.received, measured.delays, measured.delay_tolerance_ns)
    low, high = loss_interval(measured.sent, measured.received)
    return DirectionResult(
        peer=peer,
        family=family,
        direction=measured.direction,
        sent=measured.sent,
        received=measured.received,
        loss_interval=(round(low, 4), round(high, 4)),
        requested=format_impairment(measured.impairment),
        delay_ns=measured.delays,
        ok=verdict.ok,
        sentence=verdict.sentence,
    )
