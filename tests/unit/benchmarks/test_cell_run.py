from typing import Any

import pytest

from benchmarks.cell_run import from_result

LATE = "link: The median one-way delay of 20 probes is 23.000 ms, 3.000 ms more than expected (0.700 ms)."


def link(p99_ms: float | None, scheduling: str | None = "fifo 10") -> dict[str, Any]:
    lateness = None if p99_ms is None else {"packets": 90, "ms": {"p99": p99_ms}}
    return {"scheduling": scheduling, "engine_lateness": lateness}


def result(*links: dict[str, Any], reason: str = "", issues: tuple[str, ...] = ()) -> dict[str, Any]:
    status = "error" if reason else "passed"
    roles = dict(zip(("client", "server"), links, strict=False))
    return {"status": status, "reason": reason, "timing_issues": list(issues), "link": roles}


def test_the_worse_engine_counts() -> None:
    found = from_result(result(link(0.1), link(0.3)))
    assert found.lateness_p99_ms == 0.3
    assert found.passed
    assert not found.late


def test_an_engine_that_reports_no_lateness() -> None:
    assert from_result(result(link(None), link(0.2))).lateness_p99_ms == 0.2
    assert from_result(result(link(None))).lateness_p99_ms is None


@pytest.mark.parametrize(
    ("links", "real_time"),
    [
        ((link(0.1), link(0.1, "deadline 0.2 ms of 2 ms")), True),
        ((link(0.1), link(0.1, "ordinary: switched off")), False),
        ((link(0.1), link(0.1, None)), False),
        ((), False),
    ],
)
def test_both_engines_must_be_under_real_time(links: tuple[dict[str, Any], ...], *, real_time: bool) -> None:
    assert from_result(result(*links)).real_time == real_time


def test_a_link_is_late_by_its_probes_or_by_its_own_count() -> None:
    assert from_result(result(reason=LATE)).late
    assert from_result(result(issues=("the link was late: p99 3.0 ms, max 9.0 ms at the client's end",))).late
    busy = from_result(result(issues=("80 % of the time something waited for a CPU",)))
    assert not busy.late
    assert busy.timing_issues
