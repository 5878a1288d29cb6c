"""All rules by the name of their finding, in the order of the documentation; and the measurement by all of them."""

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
from testbed.analysis.findings.measured import Fact, Measured, NotMeasured, not_applicable
from testbed.analysis.findings.rule import Rule
from testbed.analysis.findings.verdict import Verdict, verdict
from testbed.analysis.join.observation import Observation

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


@dataclass(frozen=True, slots=True)
class Measurements:
    """What all rules return for a transfer: facts by name, the strongest first, why others have none, the verdict."""

    facts: dict[str, Measured[Fact]]
    without_fact: dict[str, NotMeasured]
    verdict: Verdict | None


def measure(observation: Observation) -> Measurements:
    """Apply every rule; where no connection was established, only those that apply to an attempt."""
    there = connected(observation)
    answers = {
        name: rule.measure(observation)
        if there or rule.without_connection
        else not_applicable("no connection was established")
        for name, rule in RULES.items()
    }
    facts = {name: answer for name, answer in answers.items() if isinstance(answer, Measured)}
    facts = dict(sorted(facts.items(), key=lambda item: -item[1].strength))
    return Measurements(
        facts=facts,
        without_fact={name: answer for name, answer in answers.items() if isinstance(answer, NotMeasured)},
        verdict=verdict(observation, facts),
    )
