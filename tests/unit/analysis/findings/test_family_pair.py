from dataclasses import replace
from typing import Any

import pytest

from testbed.analysis.findings.family_pair import measure
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
    assert found.fact.sentence.startswith("Over IPv6 the same cell comes to the same verdict")
    assert found.evidence[0].file == "../six/result.json"
    assert found.confidence == "high"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"limit": "network"}, "here the limit is the receiver, there the network"),
        ({"goodput": 90_000.0}, "goodput differs by 68 %"),
    ],
)
def test_differences_are_told(changes: dict[str, Any], says: str) -> None:
    found = measure(slow_reader(family="ipv6").observe(twin=twin(**changes)))
    assert isinstance(found, Measured)
    assert says in found.fact.sentence
    assert found.strength > 0.5


@pytest.mark.parametrize("other", [None, {"cell": "six", "metrics": {}, "findings": []}])
def test_silent_without_a_twin_that_tells(other: dict[str, Any] | None) -> None:
    found = measure(slow_reader().observe(twin=other))
    assert isinstance(found, NotMeasured)
    assert not found.observable


def test_limits_that_share_the_time_are_no_difference() -> None:
    """Where reader and window hold the sender up nearly alike, either may come first."""
    observation = cycles(190, 210, count=12)
    for twin, differs in (("receiver", False), ("window", False), ("network", True)):
        other = {"cell": "t", "findings": [{"name": "sender-limit", "facts": {"limited_by": twin}}]}
        found = measure(replace(observation, twin=other, requested={"family": "ipv4"}))
        assert isinstance(found, Measured)
        assert ("differ" in found.fact.sentence) is differs
