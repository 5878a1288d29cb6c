from dataclasses import replace

from testbed.analysis.findings.family_pair import FamiliesAgree, FamiliesDiffer
from testbed.analysis.findings.limits import Limit
from testbed.report.sentences.registry import words


def test_the_same_verdict() -> None:
    assert words(FamiliesAgree("six", "ipv6")) == (
        "Over IPv6 the same cell has the same verdict; a segment has 20 bytes less payload over IPv6."
    )


def test_differences() -> None:
    fact = FamiliesDiffer(
        "four", "ipv4", Limit.RECEIVER, "network", goodput_ratio=0.32, limit_differs=True, goodput_differs=True
    )
    limit, goodput = "the limit is the receiver over IPv6 and the network over IPv4", "goodput differs by 68 %"
    assert words(fact) == f"IPv4 and IPv6 differ: {limit}; {goodput}."
    assert words(replace(fact, goodput_differs=False)) == f"IPv4 and IPv6 differ: {limit}."
    assert words(replace(fact, limit_differs=False)) == f"IPv4 and IPv6 differ: {goodput}."
