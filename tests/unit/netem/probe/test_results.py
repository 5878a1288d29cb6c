from netem.probe.delays import Delays
from netem.probe.measurement import DirectionMeasurement
from netem.probe.model import Expectation
from netem.probe.results import judge_direction
from netem.spec import parse

MS = 10**6
FIXED = Expectation(20 * MS, 20 * MS, 20 * MS, 20, 20)


def test_the_keys_of_the_verified_event() -> None:
    delays = Delays(20 * MS, 25 * MS, 26 * MS, 27 * MS)
    measured = DirectionMeasurement("egress", parse("delay 20ms"), FIXED, 20, 20, delays, 2 * MS)
    assert judge_direction(measured, "server", "ipv6").facts() == {
        "peer": "server",
        "family": "ipv6",
        "direction": "egress",
        "sent": 20,
        "received": 20,
        "loss_interval": (0.0, 0.1611),
        "requested": "delay 20ms",
        "delay_ns": {"min": 20 * MS, "p50": 25 * MS, "p99": 26 * MS, "max": 27 * MS},
        "ok": False,
        "sentence": "The median one-way delay of 20 probes is 25.000 ms, 5.000 ms more than expected (20.000 ms).",
    }


def test_the_tolerance_is_that_of_the_series() -> None:
    delays = Delays(20 * MS, 25 * MS, 26 * MS, 27 * MS)
    measured = DirectionMeasurement("egress", parse("delay 20ms"), FIXED, 20, 20, delays, 5 * MS)
    assert judge_direction(measured, "server", "ipv4").ok
