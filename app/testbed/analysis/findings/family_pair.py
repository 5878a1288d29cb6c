"""Family pair: whether the same cell over the other address family came to the same verdict."""

from collections.abc import Mapping
from typing import Any, Final

from testbed.analysis.findings.evidence import file
from testbed.analysis.findings.limits import find_limits
from testbed.analysis.findings.measured import unobservable
from testbed.analysis.findings.rule import Answer, Rule
from testbed.analysis.findings.untyped import Untyped, untyped
from testbed.analysis.join.observation import Observation
from testbed.units import percent

NAME: Final = "family-pair"

SAME: Final = 0.2
"""Times and rates of two runs of the same cell differ by so much anyway: a read more or less, a busy machine."""


def measure(observation: Observation) -> Answer:
    """Speak when the run has the twin of this cell over the other family."""
    if observation.twin is None:
        return unobservable("the run has no cell that differs from this one in its family only, or none that is done")
    metrics = observation.twin.get("metrics") or {}
    numbers: dict[str, float | int | str] = {"twin": str(observation.twin.get("cell", ""))}
    differences = []
    limits, theirs = find_limits(observation), _limit(observation.twin)
    if limits is not None and theirs:
        numbers |= {"limited_by": limits.limit, "twin_limited_by": theirs}
        # Where two limits share the time nearly alike, either may come first.
        if theirs not in (limits.limit, *limits.also):
            differences.append(f"here the limit is the {limits.limit}, there the {theirs}")
    mine = (
        observation.sent_bytes / observation.duration_s if observation.sent_bytes and observation.duration_s else None
    )
    other = metrics.get("goodput_bytes_per_s")
    if mine and other:
        ratio = mine / other
        numbers["goodput_ratio"] = round(ratio, 4)
        if abs(ratio - 1) > SAME:
            differences.append(f"goodput differs by {percent(abs(ratio - 1))}")
    if len(numbers) == 1:
        return unobservable("neither what limited the twin nor its goodput is known")
    if observation.mss_bytes is not None:
        numbers["mss_bytes"] = observation.mss_bytes
    other_family = "IPv4" if observation.requested.get("family") == "ipv6" else "IPv6"
    says = (
        f"IPv4 and IPv6 differ: {'; '.join(differences)}."
        if differences
        else f"Over {other_family} the same cell comes to the same verdict; a segment carries 20 bytes less over IPv6."
    )
    return untyped(
        sentence=says,
        numbers=numbers,
        evidence=file(f"../{numbers['twin']}/result.json", "the result of the other family"),
        confidence="high" if limits is not None and theirs else "medium",
        strength=0.6 if differences else 0.15,
    )


def _limit(twin: Mapping[str, Any]) -> str:
    findings = {finding.get("name"): finding.get("facts") or {} for finding in twin.get("findings") or []}
    return str(findings.get("sender-limit", {}).get("limited_by", ""))


RULE: Final = Rule(
    NAME,
    "Do IPv4 and IPv6 come to the same verdict?",
    "the result of the cell that differs in its family only",
    (Untyped,),
    measure,
)
