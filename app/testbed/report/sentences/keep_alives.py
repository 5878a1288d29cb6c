"""The sentence about keep-alives."""

from typing import Final

from testbed.analysis.findings.keep_alives import KeepAlives
from testbed.report.sentences.wording import Sentences
from testbed.units import format_seconds, pluralize


def keep_alives(fact: KeepAlives) -> str:
    """Return how many there were, and what distinguishes them from window probes."""
    what = "this is not a window probe" if fact.keep_alives == 1 else "these are not window probes"
    return (
        f"{pluralize(fact.keep_alives, 'keep-alive')} ({fact.by_sender} from the sender) went into an open window, "
        f"after {format_seconds(fact.idle_median_s)} without traffic: SO_KEEPALIVE is set; {what}."
    )


SENTENCES: Final[Sentences] = {KeepAlives: keep_alives}
