"""All rules by the name of their finding, in the order of the documentation; and the measurement by all of them."""

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
from testbed.analysis.findings.measured import Measured, not_applicable
from testbed.analysis.findings.rule import Answer, Rule
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


def measure(observation: Observation) -> dict[str, Answer]:
    """Return the answers of all rules by name: facts first, the strongest before the others, then those without.

    Where no connection was established, only the rules that apply to an attempt can have a fact.
    """
    there = connected(observation)
    answers = {
        name: rule.measure(observation)
        if there or rule.without_connection
        else not_applicable("no connection was established")
        for name, rule in RULES.items()
    }
    return dict(sorted(answers.items(), key=lambda item: -_strength(item[1])))


def _strength(answer: Answer) -> float:
    return answer.strength if isinstance(answer, Measured) else -1.0
