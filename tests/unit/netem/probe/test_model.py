from collections.abc import Sequence

import pytest

from netem.pipeline import Resources
from netem.probe.model import MAX_PROBING_NS, Expectation, Plan, adjust_to_sent, depends_on_arrivals, expect, plan
from netem.spec import parse

MS = 10**6
TWENTY = Plan(20, MS)
FRAME_BYTES = 106


TRACES = Resources(traces={"t": (10, 20, 30, 40)})


def of(text: str, sending: Plan = TWENTY) -> Expectation:
    return at(text, sending.times_ns)


def at(text: str, sent_ns: Sequence[int]) -> Expectation:
    return expect(parse(text), sent_ns, FRAME_BYTES, TRACES)


@pytest.mark.parametrize(
    ("text", "delay_ns"),
    [("", 0), ("delay 40ms", 40 * MS), ("rate 1mbit", 848_000), ("delay 1ms rate 10mbit", MS + 84_800), ("nd", 0)],
)
def test_a_fixed_delay_in_closed_form(text: str, delay_ns: int) -> None:
    assert of(text) == Expectation(delay_ns, delay_ns, delay_ns, 20, 20)


def test_the_simulation_agrees_with_the_closed_form() -> None:
    # Probability zero changes nothing but leaves the closed form.
    assert of("delay 3ms corrupt 0%") == of("delay 3ms")
    assert of("rate 1mbit corrupt 0%") == of("rate 1mbit")


def test_jitter_widens_the_bounds_of_the_median_but_not_to_the_jitter() -> None:
    expected = of("delay 40ms 10ms")
    assert expected.low_p50_ns is not None
    assert expected.high_p50_ns is not None
    assert 30 * MS < expected.low_p50_ns < 38 * MS
    assert 42 * MS < expected.high_p50_ns < 50 * MS
    assert 49 * MS < expected.longest_ns < 50 * MS
    assert (expected.low_received, expected.high_received) == (20, 20)


def test_loss_bounds_the_number_that_arrives() -> None:
    expected = of("delay 5ms loss 50%")
    assert 0 < expected.low_received < 6
    assert 14 < expected.high_received < 20
    assert expected.low_p50_ns == expected.high_p50_ns == 5 * MS
    assert of("loss 100%") == Expectation(None, None, 0, 0, 0)
    assert of("limit 0") == Expectation(None, None, 0, 0, 0)


def test_corruption_is_loss_to_a_probe() -> None:
    assert of("corrupt 100%").high_received == 0


def test_duplicates_do_not_count_twice() -> None:
    assert of("duplicate 100% loss 0% corrupt 0%").high_received == 20


def test_an_impairment_without_closed_form_is_simulated() -> None:
    assert of("delay 3ms drop-list 2,5-6").high_received == 17


def test_no_more_probes_than_the_queue_holds() -> None:
    small, plain = parse("limit 5 delay 100ms"), parse("")
    for pair in ((small, plain), (plain, small)):
        assert plan(pair, 20, FRAME_BYTES) == Plan(5, MS)
    assert plan((parse("limit 5 delay 100ms duplicate 100%"), plain), 20, FRAME_BYTES) == Plan(2, MS)
    assert plan((parse("limit 0"), plain), 20, FRAME_BYTES) == TWENTY
    assert of("limit 5 delay 100ms corrupt 0%", Plan(5, MS)) == of("limit 5 delay 100ms", Plan(5, MS))


def test_echoes_that_come_in_bunches_are_expected_to_leave_in_bunches() -> None:
    """The way there opens a slot every 10 ms; each bunch finds the way back closed and waits for the whole 10 ms."""
    bunches = [bunch * 10 * MS for bunch in (0, 1) for _ in range(10)]
    assert of("slot 10ms").high_p50_ns == 6 * MS
    assert at("slot 10ms", bunches) == Expectation(10 * MS, 10 * MS, 10 * MS, 20, 20)


def test_probes_that_follow_too_closely_queue_behind_each_other() -> None:
    assert at("rate 848kbit", [0, MS, 2 * MS]).longest_ns == MS
    assert at("rate 848kbit", [0, 0, 0]) == Expectation(2 * MS, 2 * MS, 3 * MS, 3, 3)


def test_a_trace_may_have_begun_in_an_earlier_round() -> None:
    expected = at("trace t", [0])
    assert expected.low_p50_ns is not None
    assert expected.high_p50_ns is not None
    assert 0 <= expected.low_p50_ns < MS
    assert expected.high_p50_ns == 10 * MS


def test_rates_slots_and_traces_depend_on_arrival_times() -> None:
    assert [
        text
        for text in ("", "delay 5ms 1ms loss 1%", "rate 1mbit", "slot 1ms", "trace t")
        if depends_on_arrivals(parse(text))
    ] == [
        "rate 1mbit",
        "slot 1ms",
        "trace t",
    ]


def test_the_peer_echoes_only_what_arrives() -> None:
    assert adjust_to_sent(Expectation(1, 2, 3, 15, 20), 12, 20) == Expectation(1, 2, 3, 7, 12)
    assert adjust_to_sent(Expectation(1, 2, 3, 2, 20), 0, 20) == Expectation(1, 2, 3, 0, 0)


def test_without_probes_none_are_expected() -> None:
    assert at("slot 10ms", []) == Expectation(None, None, 0, 0, 0)
    assert at("delay 5ms", []).high_received == 0


def test_slots() -> None:
    expected = of("slot 10ms")
    assert expected.low_p50_ns is not None
    assert 0 <= expected.low_p50_ns <= 10 * MS
    assert expected.longest_ns <= 10 * MS


def test_the_expectation_is_repeatable() -> None:
    assert of("delay 40ms 10ms loss 10%") == of("delay 40ms 10ms loss 10%")


def test_probes_do_not_queue_behind_each_other_and_a_round_is_short() -> None:
    assert plan((parse(""), parse("delay 1s")), 20, FRAME_BYTES) == Plan(20, MS)
    assert plan((parse(""),), 5000, FRAME_BYTES) == Plan(5000, MS)
    slow = plan((parse("rate 100kbit"), parse("rate 1gbit")), 20, FRAME_BYTES)
    assert slow.pace_ns == 4 * 8_480_000
    assert 5 <= slow.probes < 20
    assert slow.probes * slow.pace_ns <= MAX_PROBING_NS
    assert plan((parse("rate 1kbit"),), 20, FRAME_BYTES).probes == 5
