from dataclasses import replace
from typing import Any

import pytest

from testbed.analysis.findings.family_pair import FamiliesAgree, FamiliesDiffer, measure
from testbed.analysis.findings.limits import Limit
from testbed.analysis.findings.measured import Measured, NotMeasured
from tests.support.cycles import cycles
from tests.support.transfers import slow_reader


def twin(limit: str = "receiver", goodput: float = 28_500.0) -> dict[str, Any]:
    return {
        "cell": "six",
        "metrics": {"goodput_bytes_per_s": goodput},
        "findings": [{"name": "sender-limit", "facts": {"limited_by": limit}}],
    }


def test_the_same_verdict() -> None:
    found = measure(slow_reader().observe(twin=twin()))
    assert isinstance(found, Measured)
    assert isinstance(found.fact, FamiliesAgree)
    assert (found.fact.twin_family, found.fact.limited_by, found.fact.twin_limited_by) == (
        "ipv6",
        Limit.RECEIVER,
        "receiver",
    )
    assert found.evidence[0].file == "../six/result.json"
    assert found.confidence == "high"


@pytest.mark.parametrize(
    ("changes", "differ"),
    [({"limit": "network"}, (True, False)), ({"goodput": 90_000.0}, (False, True))],
)
def test_differences(changes: dict[str, Any], differ: tuple[bool, bool]) -> None:
    found = measure(slow_reader(family="ipv6").observe(twin=twin(**changes)))
    assert isinstance(found, Measured)
    assert isinstance(found.fact, FamiliesDiffer)
    assert (found.fact.limit_differs, found.fact.goodput_differs) == differ
    assert found.fact.twin_family == "ipv4"
    assert found.strength > 0.5


def test_rates_of_two_machines_are_not_compared() -> None:
    here = replace(slow_reader().observe(twin=twin(goodput=90_000.0)), machine_name="one")
    for elsewhere in ("one", "two"):
        found = measure(replace(here, twin=twin(goodput=90_000.0) | {"machine_name": elsewhere}))
        assert isinstance(found, Measured)
        assert isinstance(found.fact, FamiliesDiffer if elsewhere == "one" else FamiliesAgree)
    assert (found.fact.goodput_ratio, found.fact.twin_machine, found.confidence) == (None, "two", "medium")
    no_limit = {"cell": "six", "metrics": {"goodput_bytes_per_s": 9e4}, "findings": [], "machine_name": "two"}
    unknown = measure(replace(here, twin=no_limit))
    assert isinstance(unknown, NotMeasured)
    assert "another machine" in unknown.reason


@pytest.mark.parametrize("other", [None, {"cell": "six", "metrics": {}, "findings": []}])
def test_unobservable_without_a_twin_to_compare_with(other: dict[str, Any] | None) -> None:
    found = measure(slow_reader().observe(twin=other))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_limits_that_share_the_time_are_no_difference() -> None:
    """Where reader and window limit the sender nearly alike, either may come first."""
    observation = cycles(190, 210, count=12)
    for twin, differs in (("receiver", False), ("window", False), ("network", True)):
        other = {"cell": "t", "findings": [{"name": "sender-limit", "facts": {"limited_by": twin}}]}
        found = measure(replace(observation, twin=other, requested={"family": "ipv4"}))
        assert isinstance(found, Measured)
        assert isinstance(found.fact, FamiliesDiffer) is differs


def test_a_twin_without_a_limit_is_compared_by_its_goodput() -> None:
    found = measure(slow_reader().observe(twin={"cell": "six", "metrics": {"goodput_bytes_per_s": 28_500.0}}))
    assert isinstance(found, Measured)
    assert isinstance(found.fact, FamiliesAgree)
    assert (found.fact.limited_by, found.fact.twin_limited_by, found.confidence) == (None, None, "medium")
