import pytest

from netem.probe.delays import Delays
from netem.probe.model import Expectation
from netem.probe.verdict import delay_tolerance_ns, judge, loss_interval

MS = 10**6
FIXED = Expectation(40 * MS, 40 * MS, 40 * MS, 20, 20)


def delays(p50_ns: int) -> Delays:
    return Delays(p50_ns, p50_ns, p50_ns, p50_ns)


def test_as_expected() -> None:
    verdict = judge(FIXED, 20, 20, delays(40 * MS + 100_000))
    assert verdict.ok
    assert verdict.sentence == "The median one-way delay of 20 probes is 40.100 ms; expected: 40.000 ms."


def test_a_failure_states_the_difference() -> None:
    late = judge(FIXED, 20, 20, delays(50 * MS))
    assert not late.ok
    assert late.sentence.endswith("is 50.000 ms, 10.000 ms more than expected (40.000 ms).")
    early = judge(FIXED, 20, 20, delays(39 * MS))
    assert not early.ok
    assert early.sentence.endswith(", 1.000 ms less than expected (40.000 ms).")


@pytest.mark.parametrize(
    ("p50_ns", "ok"),
    [
        (40 * MS - 100_001, False),
        (40 * MS - 100_000, True),
        (42 * MS + 400_000, True),
        (42 * MS + 400_001, False),
    ],
)
def test_the_bounds(p50_ns: int, ok: bool) -> None:
    assert judge(FIXED, 20, 20, delays(p50_ns)).ok is ok


@pytest.mark.parametrize(
    ("requested_ms", "realtime", "tolerance_ns"),
    [(None, True, 500_000), (None, False, 2 * MS), (7.5, True, 7_500_000), (0, False, 0)],
)
def test_the_tolerance_follows_from_the_scheduling_unless_requested(
    requested_ms: float | None, realtime: bool, tolerance_ns: int
) -> None:
    assert delay_tolerance_ns(requested_ms, realtime=realtime) == tolerance_ns


def test_a_slow_machine_may_have_a_larger_tolerance() -> None:
    assert judge(FIXED, 20, 20, delays(50 * MS), delay_tolerance_ns=10 * MS).ok
    assert not judge(FIXED, 20, 20, delays(51 * MS), delay_tolerance_ns=10 * MS).ok


def test_an_impairment_that_did_not_take_effect() -> None:
    verdict = judge(FIXED, 20, 20, delays(50_000))
    assert not verdict.ok
    assert "39.950 ms less than expected" in verdict.sentence


def test_probes_missing_or_too_many() -> None:
    lossy = Expectation(5, 5, 5, 8, 18)
    assert not judge(lossy, 20, 20, delays(5)).ok
    assert judge(lossy, 20, 18, delays(5)).ok
    few = judge(FIXED, 20, 19, delays(40 * MS))
    assert few.sentence == "19 of 20 probes arrived; the impairment allows 20."
    assert judge(lossy, 20, 3, delays(5)).sentence.endswith("allows 8 to 18.")


def test_nothing_arrives_and_nothing_should() -> None:
    verdict = judge(Expectation(None, None, 0, 0, 0), 20, 0, None)
    assert (verdict.ok, verdict.sentence) == (True, "None of 20 probes arrived, as expected.")


def test_the_confidence_interval_of_wilson() -> None:
    low, high = loss_interval(20, 20)
    assert (low, round(high, 4)) == (0.0, 0.1611)
    low, high = loss_interval(1000, 900)
    assert (round(low, 4), round(high, 4)) == (0.0829, 0.1202)
    assert loss_interval(0, 0) == (0.0, 1.0)
