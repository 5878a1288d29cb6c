"""What the modules of this package share: the type of their tables, and small parts of sentences."""

from collections.abc import Callable, Mapping
from typing import Any

from testbed.analysis.findings.measured import Fact

Sentences = Mapping[type[Fact], Callable[[Any], str]]
"""For each type of fact, the function that renders it: as a sentence, or as a clause where it weakens another fact."""


def sentence_of(clause: str) -> str:
    """Return a clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}."


def joined(clauses: list[str]) -> str:
    """Return clauses joined by `and`."""
    return " and ".join(clauses)
