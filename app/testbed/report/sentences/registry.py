"""All sentences by the type of their fact."""

from typing import Final

from testbed.analysis.findings.measured import Fact, Phrase
from testbed.report.sentences import (
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
    rules,
    segmentation,
    sender_limit,
    window_closed,
    window_probes,
    window_reopening,
    write_blocked,
)
from testbed.report.sentences.wording import Sentences

SENTENCES: Final[Sentences] = {
    **window_closed.SENTENCES,
    **sender_limit.SENTENCES,
    **write_blocked.SENTENCES,
    **conservation.SENTENCES,
    **segmentation.SENTENCES,
    **read_rate.SENTENCES,
    **window_probes.SENTENCES,
    **keep_alives.SENTENCES,
    **retransmissions.SENTENCES,
    **window_reopening.SENTENCES,
    **buffer_autotuning.SENTENCES,
    **delayed_ack.SENTENCES,
    **closing.SENTENCES,
    **family_pair.SENTENCES,
    **capture_trust.SENTENCES,
    **context.SENTENCES,
    **back_pressure.SENTENCES,
    **rules.SENTENCES,
}


def words(phrase: Phrase) -> str:
    """Return a fact in words; a constant phrase as it is."""
    return SENTENCES[type(phrase)](phrase) if isinstance(phrase, Fact) else phrase
