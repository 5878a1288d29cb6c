"""All findings by name, in the order in which they are documented; and the asking of all of them."""

from dataclasses import dataclass
from typing import Final

from testbed.analysis.findings import (
    back_pressure,
    buffer_autotuning,
    capture_trust,
    closing,
    conservation,
    context,
    delayed_ack,
    family_pair,
    keep_alives,
    read_rate,
    retransmissions,
    segmentation,
    sender_limit,
    window_closed,
    window_probes,
    window_reopening,
    write_blocked,
)
from testbed.analysis.findings.handshake import connected
from testbed.analysis.findings.rule import Rule, silent
from testbed.analysis.findings.verdict import verdict
from testbed.analysis.join.observation import Observation
from testbed.result import Finding, Silence

RULES: Final[dict[str, Rule]] = {
    rule.name: rule
    for rule in (
        window_closed.RULE,
        sender_limit.RULE,
        write_blocked.RULE,
        conservation.RULE,
        segmentation.RULE,
        read_rate.RULE,
        window_probes.RULE,
        keep_alives.RULE,
        retransmissions.RULE,
        window_reopening.RULE,
        buffer_autotuning.RULE,
        delayed_ack.RULE,
        closing.RULE,
        family_pair.RULE,
        capture_trust.RULE,
        context.RULE,
        back_pressure.RULE,
    )
}


WITHOUT_CONNECTION: Final = (retransmissions.NAME, capture_trust.NAME, context.NAME)
"""What there is to say where no connection came about: all else would explain a transfer that was none."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for a transfer: one sentence, the findings (strongest first), and why the others are silent."""

    verdict: str
    findings: tuple[Finding, ...]
    silent: tuple[Silence, ...]


def explain(observation: Observation) -> Explanation:
    """Ask every rule."""
    there = connected(observation)
    answers = [
        rule.explain(observation)
        if there or rule.name in WITHOUT_CONNECTION
        else silent(rule.name, "no connection came about")
        for rule in RULES.values()
    ]
    findings = [answer for answer in answers if isinstance(answer, Finding)]
    findings.sort(key=lambda finding: -finding.strength)
    return Explanation(
        verdict=verdict(observation, {finding.name: finding for finding in findings}),
        findings=tuple(findings),
        silent=tuple(answer for answer in answers if isinstance(answer, Silence)),
    )
