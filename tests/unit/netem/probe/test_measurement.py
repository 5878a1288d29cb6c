from netem.probe.measurement import DirectionModel
from netem.probe.model import Expectation, Plan
from netem.spec import parse
from tests.support.probed_peer import MS, expected

PLAN = Plan(5, MS)


def model(text: str) -> DirectionModel:
    impairment = parse(text)
    return DirectionModel("egress", impairment, PLAN, expected(impairment, PLAN.times_ns))


def test_fewer_probes_narrow_the_planned_bounds() -> None:
    found = model("delay 5ms").expected([0, MS], expected)
    assert found == Expectation(5 * MS, 5 * MS, 5 * MS, 2, 2)


def test_a_rate_uses_the_real_send_times() -> None:
    # 106 bytes take 1 ms; two probes that leave together queue behind each other.
    slow = model("rate 848kbit")
    assert slow.planned.longest_ns == MS
    assert slow.expected([0, 0], expected).longest_ns == 2 * MS
