"""For the interim: rules that still build their own sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed.analysis.findings.measured import Fact, Measured, Phrase, Source
from testbed.result import Confidence


@dataclass(frozen=True, slots=True)
class Untyped(Fact):
    """A sentence with its numbers."""

    sentence: str
    numbers: Mapping[str, float | int | str]


def untyped(
    *,
    sentence: str,
    numbers: Mapping[str, float | int | str],
    evidence: Sequence[Source] = (),
    confidence: Confidence = "high",
    contradicted_by: Sequence[Phrase] = (),
    not_observed: Sequence[Phrase] = (),
    strength: float = 0.0,
) -> Measured[Untyped]:
    """Return a fact that is not typed yet."""
    return Measured(Untyped(sentence, numbers), evidence, confidence, contradicted_by, not_observed, strength)


def sentence_of(clause: str) -> str:
    """Return a clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}."
