"""The sentence about delayed acknowledgements."""

from typing import Final

from testbed.analysis.findings.delayed_ack import DelayedAcks
from testbed.report.sentences.wording import Sentences
from testbed.units import format_seconds, percent, pluralize


def delayed_acks(fact: DelayedAcks) -> str:
    """Return how many acknowledgements were delayed, and whether the sender waited for them."""
    share = percent(fact.delayed_frames / fact.data_frames)
    were = "was" if fact.delayed_frames == 1 else "were"
    waited = ""
    if fact.sender_waited:
        cases = pluralize(fact.sender_waited, "case")
        waited = f" In {cases} the sender sent nothing until the acknowledgement came."
    return (
        f"{fact.delayed_frames} of {pluralize(fact.data_frames, 'data frame')} ({share}) {were} acknowledged late, "
        f"after {format_seconds(fact.delay_median_s)} (median): delayed acknowledgements, which the receiver's kernel "
        f"holds back for about 40 ms.{waited}"
    )


SENTENCES: Final[Sentences] = {DelayedAcks: delayed_acks}
