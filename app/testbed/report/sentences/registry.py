"""All sentences by the type of their fact."""

from typing import Final

from testbed.analysis.findings.measured import Fact, Phrase
from testbed.analysis.findings.untyped import Untyped
from testbed.report.sentences import (
    closing,
    context,
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
    **segmentation.SENTENCES,
    **window_probes.SENTENCES,
    **retransmissions.SENTENCES,
    **window_reopening.SENTENCES,
    **closing.SENTENCES,
    **context.SENTENCES,
    **rules.SENTENCES,
    Untyped: lambda fact: fact.sentence,
}


def words(phrase: Phrase) -> str:
    """Return a fact in words; a constant phrase as it is."""
    return SENTENCES[type(phrase)](phrase) if isinstance(phrase, Fact) else phrase
