"""Sentences about a cell and its twin over the other address family."""

from typing import Final

from testbed.analysis.findings.family_pair import FamiliesAgree, FamiliesDiffer, FamilyPair
from testbed.report.sentences.wording import Sentences
from testbed.units import percent

NAMES: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}


def families_agree(fact: FamiliesAgree) -> str:
    """Return that both have the same verdict."""
    return (
        f"Over {NAMES[fact.twin_family]} the same cell has the same verdict; a segment has 20 bytes less payload over "
        f"IPv6.{_elsewhere(fact)}"
    )


def families_differ(fact: FamiliesDiffer) -> str:
    """Return what differs."""
    theirs = NAMES[fact.twin_family]
    own = "IPv4" if theirs == "IPv6" else "IPv6"
    differences = []
    if fact.limit_differs:
        differences.append(
            f"the limit is the {fact.limited_by} over {own} and the {fact.twin_limited_by} over {theirs}"
        )
    if fact.goodput_differs and fact.goodput_ratio is not None:
        differences.append(f"goodput differs by {percent(abs(fact.goodput_ratio - 1))}")
    return f"IPv4 and IPv6 differ: {'; '.join(differences)}.{_elsewhere(fact)}"


def _elsewhere(fact: FamilyPair) -> str:
    return (
        f" Rates are not compared: that cell ran on another machine, {fact.twin_machine}." if fact.twin_machine else ""
    )


SENTENCES: Final[Sentences] = {FamiliesAgree: families_agree, FamiliesDiffer: families_differ}
