"""Sentences about instruments that are missing."""

from typing import Final

from testbed.analysis.findings.rule import NoLog, NoSamples
from testbed.report.sentences.wording import Sentences


def no_log(fact: NoLog) -> str:
    """Return whose log is missing."""
    return f"the {fact.role} left no event log"


def no_samples(fact: NoSamples) -> str:
    """Return whose samples are missing."""
    return f"the sockets of {f'the {fact.role}' if fact.role else 'both ends'} were not sampled"


SENTENCES: Final[Sentences] = {NoLog: no_log, NoSamples: no_samples}
