"""The sentence about kernel, congestion control and emulation engines."""

from typing import Final

from testbed.analysis.findings.context import Context
from testbed.report.sentences.wording import Sentences, joined, sentence_of


def context(fact: Context) -> str:
    """Return what the transfer ran on."""
    engines = f"the {joined(list(fact.engines))} engine"
    parts = [
        f"Linux {fact.kernel}" if fact.kernel else "a kernel that run.json does not name",
        f"congestion control {fact.congestion}",
        f"impairments by {engines}" if fact.engines else "a link without impairment",
    ]
    missing = f"; this kernel does not report {', '.join(fact.missing_fields)}" if fact.missing_fields else ""
    return sentence_of(", ".join(parts) + missing)


SENTENCES: Final[Sentences] = {Context: context}
