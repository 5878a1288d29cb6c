"""Family pair: whether the same cell over the other address family has the same verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from testbed.analysis.findings.evidence import file
from testbed.analysis.findings.limits import Limit, find_limits
from testbed.analysis.findings.measured import Fact, Measured, unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.join.observation import Observation
from testbed.result import cell_folder

SAME: Final = 0.2
"""Rates of two runs of the same cell differ by so much in any case: one read more or less, a busy machine."""


@dataclass(frozen=True, slots=True)
class FamilyPair(Fact):
    """A cell and its twin, the cell that differs in its address family only.

    `limited_by` and `twin_limited_by` are null together. `goodput_ratio` is this cell's goodput divided by the twin's.
    `twin_machine` is the twin's machine if that is another one; rates of two machines are not compared.
    """

    twin: str
    twin_family: Literal["ipv4", "ipv6"]
    limited_by: Limit | None = None
    twin_limited_by: str | None = None
    goodput_ratio: float | None = None
    mss_bytes: int | None = None
    twin_machine: str = ""


@dataclass(frozen=True, slots=True)
class FamiliesAgree(FamilyPair):
    """Both have the same verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamiliesDiffer(FamilyPair):
    """The limit differs, or the goodput, or both."""

    limit_differs: bool
    goodput_differs: bool


def measure(observation: Observation) -> Answer:
    """Compare with the twin's result."""
    twin = observation.twin
    if twin is None:
        return unobservable("the run has no finished cell that differs in its address family only")
    limits, theirs = find_limits(observation), _limit(twin)
    elsewhere = _other_machine(observation, twin)
    ratio = None if elsewhere else _goodput_ratio(observation, twin)
    limit = limits.limit if limits is not None and theirs else None
    if limit is None and ratio is None:
        return unobservable(
            "its twin ran on another machine, and its limit is not known"
            if elsewhere
            else "neither the limit of the twin nor its goodput is known"
        )
    pair: dict[str, Any] = {
        "twin": str(twin.get("cell", "")),
        "twin_family": "ipv4" if observation.requested.get("family") == "ipv6" else "ipv6",
        "limited_by": limit,
        "twin_limited_by": theirs if limit is not None else None,
        "goodput_ratio": None if ratio is None else round(ratio, 4),
        "mss_bytes": observation.mss_bytes,
        "twin_machine": elsewhere,
    }
    # Where two limits have nearly the same share of the time, either may come first.
    limit_differs = limits is not None and theirs is not None and theirs not in (limits.limit, *limits.also)
    goodput_differs = ratio is not None and abs(ratio - 1) > SAME
    differ = limit_differs or goodput_differs
    return Measured(
        FamiliesDiffer(**pair, limit_differs=limit_differs, goodput_differs=goodput_differs)
        if differ
        else FamiliesAgree(**pair),
        evidence=file(f"../{_folder(twin)}/result.json", "the result of the other family"),
        confidence="medium" if limit is None or elsewhere else "high",
        strength=0.6 if differ else 0.15,
    )


def _other_machine(observation: Observation, twin: Mapping[str, Any]) -> str:
    """Return the name of the twin's machine, if both are known and differ."""
    theirs = str(twin.get("machine_name") or "")
    return theirs if observation.machine_name not in ("", theirs) else ""


def _folder(twin: Mapping[str, Any]) -> str:
    return cell_folder(str(twin.get("cell", "")), int(twin.get("repetition", 1)), int(twin.get("attempt", 1)))


def _limit(twin: Mapping[str, Any]) -> str | None:
    findings = {finding.get("name"): finding.get("facts") or {} for finding in twin.get("findings") or []}
    return findings.get("sender-limit", {}).get("limited_by") or None


def _goodput_ratio(observation: Observation, twin: Mapping[str, Any]) -> float | None:
    theirs = (twin.get("metrics") or {}).get("goodput_bytes_per_s")
    if not theirs or not observation.sent_bytes or not observation.duration_s:
        return None
    return float(observation.sent_bytes / observation.duration_s / theirs)


RULE: Final = Rule(
    "family-pair",
    "Do IPv4 and IPv6 have the same verdict?",
    "the result of the cell that differs in its family only",
    (FamiliesAgree, FamiliesDiffer),
    measure,
)
