"""The sentence about delayed acknowledgements."""

from typing import Final

from testbed.analysis.findings.delayed_ack import DelayedAcks
from testbed.report.sentences.wording import Sentences
from testbed.units import format_seconds, percent, pluralize


def delayed_acks(fact: DelayedAcks) -> str:
    """Return how many acknowledgements were delayed, and whether the sender waited for them."""
    share = percent(fact.delayed_frames / fact.data_frames)
    waited = ""
    if fact.sender_waited:
        cases = pluralize(fact.sender_waited, "case")
        waited = f" In {cases} the sender sent nothing until the acknowledgement came."
    return (
        f"{pluralize(fact.delayed_frames, 'frame')} of {fact.data_frames} with data ({share}) were acknowledged only "
        f"after {format_seconds(fact.delay_median_s)} (median): the receiver's kernel waits, about 40 ms, for its "
        f"program to read or answer.{waited}"
    )


SENTENCES: Final[Sentences] = {DelayedAcks: delayed_acks}
