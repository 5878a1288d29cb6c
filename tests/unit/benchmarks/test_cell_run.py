from typing import Any

from benchmarks.cell_run import from_documents

LATE = "link: The median one-way delay of 20 probes is 23.000 ms, 3.000 ms more than expected (0.700 ms)."


def result(status: str = "passed", reason: str = "", *issues: str) -> dict[str, Any]:
    return {"status": status, "reason": reason, "timing_issues": list(issues)}


def record(client: dict[str, Any] | None, server: dict[str, Any] | None) -> dict[str, Any]:
    roles = {"client": client, "server": server}
    stopped = {role: {"counters": {"link": {"measured": {"lateness_ns": each}}}} for role, each in roles.items()}
    return {"sidecars": {role: {"stopped": each} for role, each in stopped.items()}}


def test_the_worse_engine_counts() -> None:
    found = from_documents(result(), [record({"p99": 100_000}, {"p99": 300_000})])
    assert found.lateness_p99_ms == 0.3
    assert found.passed
    assert not found.late


def test_an_engine_that_reports_no_lateness() -> None:
    assert from_documents(result(), [record(None, None)]).lateness_p99_ms is None
    assert from_documents(result(), [{"sidecars": {"client": {"stopped": None}}}]).lateness_p99_ms is None


def test_a_link_is_late_by_its_probes_or_by_its_own_count() -> None:
    assert from_documents(result("error", LATE), []).late
    assert from_documents(result("passed", "", "the link delivered 3 % of the frames late"), []).late
    busy = from_documents(result("passed", "", "80 % of the time something waited for a CPU"), [])
    assert not busy.late
    assert busy.timing_issues
