"""How far the machine can be trusted: the state of it, and the thresholds."""

from typing import Any

import pytest

from testbed.evaluation.host import host_state, timing_issues
from testbed.result import CellRecord, HostState

S = 10**9


def record(**sidecars: Any) -> CellRecord:
    return CellRecord(run="r", id="c", requested={}, impairment={}, images={}, sidecars=sidecars)


def stopped(**host: Any) -> dict[str, Any]:
    return {"stopped": {"host": {"from_ns": 0, "until_ns": S, **host}}}


def test_without_reports_nothing_is_known() -> None:
    assert host_state(record(client={}, server={"stopped": {"host": None}})) is None
    assert timing_issues(None, {}) is None


def test_the_worse_of_both_ends_counts() -> None:
    state = host_state(
        record(
            client=stopped(cpu_pressure_share=0.2, throttled_s=0.5),
            server={"stopped": {"host": {"from_ns": 0, "until_ns": 2 * S, "cpu_pressure_share": 0.4}}},
        )
    )
    assert state is not None
    assert (state.duration_s, state.cpu_pressure_share, state.throttled_s, state.steal_share) == (2.0, 0.4, 0.5, None)


def test_samples_that_were_left_out_are_a_share_of_those_due() -> None:
    client = stopped()
    client["stopped"]["counters"] = {"sockets": {"samples": 60, "missed": 40}}
    few = stopped()
    few["stopped"]["counters"] = {"sockets": {"samples": 2, "missed": 3}}
    state = host_state(record(client=client, server=few))
    assert state is not None
    assert state.samples_missed_share == 0.4


@pytest.mark.parametrize(
    ("facts", "issue"),
    [
        ({"cpu_pressure_share": 0.5}, None),
        ({"cpu_pressure_share": 0.61}, "61 % of the time something waited for a CPU"),
        ({"memory_pressure_share": 0.2}, "20 % of the time something waited for memory"),
        ({"io_pressure_share": 0.9}, None),
        ({"steal_share": 0.04}, None),
        ({"steal_share": 0.06}, "6 % of the time the processors worked for other machines (steal)"),
        ({"throttled_s": 0.005}, None),
        ({"throttled_s": 0.25}, "a CPU quota throttled the sidecars for 250 ms"),
        ({"samples_missed_share": 0.3}, "30 % of the samples were late"),
        ({"clock_offset_ns": (-20_000, 100_000)}, None),
        ({"clock_offset_ns": (5_000_000, 6_000_000)}, "the clocks of the two ends differ by 5 ms at least"),
        ({"clock_offset_ns": (-9 * S, -8 * S)}, "the clocks of the two ends differ by 8 s at least"),
    ],
)
def test_thresholds(facts: dict[str, Any], issue: str | None) -> None:
    assert timing_issues(HostState(duration_s=1.0, **facts), {}) == ([] if issue is None else [issue])


def test_a_short_transfer_is_not_judged_by_shares_but_by_its_clock() -> None:
    assert timing_issues(HostState(duration_s=0.1, cpu_pressure_share=1.0), {}) is None
    assert timing_issues(HostState(duration_s=0.1, clock_offset_ns=(S, 2 * S)), {}) == [
        "the clocks of the two ends differ by 1 s at least"
    ]


def test_the_clocks_were_compared_by_the_client() -> None:
    client = {"verified": {"clock_offset_ns": {"server": [-17_010, 105_490]}}}
    state = host_state(record(client=client, server={}))
    assert state is not None
    assert state.clock_offset_ns == (-17_010, 105_490)
