"""What the rules measured, as records of `result.json`: facts as JSON, and their sentences."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Final

import numpy as np

from testbed.analysis.findings.measured import Fact, Int64, Measured, NotMeasured, Source
from testbed.analysis.findings.registry import measure
from testbed.analysis.findings.verdict import verdict
from testbed.analysis.join.observation import Observation
from testbed.report.sentences.registry import words
from testbed.report.sentences.verdict import verdict_sentence
from testbed.result import Evidence, Finding, NotReported

MAX_RANGES: Final = 24
"""A display filter with more ranges is too long to read; then it names only the first and the last frame."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for a transfer: one sentence, the findings, the strongest first, and why others are absent."""

    verdict: str
    findings: tuple[Finding, ...]
    not_reported: tuple[NotReported, ...]


def explain(observation: Observation) -> Explanation:
    """Apply every rule and render the facts as sentences."""
    answers = measure(observation)
    facts = [answer.fact for answer in answers.values() if isinstance(answer, Measured)]
    return Explanation(
        verdict=verdict_sentence(verdict(observation, facts)),
        findings=tuple(finding(name, answer) for name, answer in answers.items() if isinstance(answer, Measured)),
        not_reported=tuple(
            NotReported(name=name, reason=words(answer.reason), observable=answer.observable)
            for name, answer in answers.items()
            if isinstance(answer, NotMeasured)
        ),
    )


def finding(name: str, measured: Measured[Fact]) -> Finding:
    """Return what was measured as a record."""
    return Finding(
        name=name,
        sentence=words(measured.fact),
        facts=fact_document(measured.fact),
        evidence=[evidence(source) for source in measured.evidence],
        confidence=measured.confidence,
        contradicted_by=_texts(measured.contradicted_by),
        not_observed=_texts(measured.not_observed),
        strength=measured.strength,
    )


def _texts(phrases: Iterable[Fact | str]) -> list[str]:
    return [words(phrase) for phrase in phrases]


def fact_document(fact: Fact) -> dict[str, Any]:
    """Return a fact's fields as JSON: facts as objects, enumerations by their value, tuples as lists, None as null."""
    return {field.name: _value(getattr(fact, field.name)) for field in fields(fact)}  # type: ignore[arg-type]


def _value(value: Any) -> Any:  # noqa: ANN401 - the type of any fact's field
    if isinstance(value, tuple):
        return [_value(each) for each in value]
    if isinstance(value, Fact):
        return fact_document(value)
    return value.value if isinstance(value, Enum) else value


def evidence(source: Source) -> Evidence:
    """Return raw data that shows a fact as a record: its first and last number and how many there are."""
    numbers = source.numbers
    return Evidence(
        file=source.file,
        kind=source.kind,
        description=source.description,
        first=int(numbers[0]) if len(numbers) else None,
        last=int(numbers[-1]) if len(numbers) else None,
        count=len(numbers) or None,
        filter=display_filter(numbers, source.stream, source.display_filter) if source.kind == "frames" else "",
    )


def display_filter(numbers: Int64, stream: int, same_kind: str = "") -> str:
    """Return a display filter of Wireshark for these frames: by their numbers where these form few ranges.

    Otherwise it matches the frames of the same kind from the first to the last.
    """
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    if len(breaks) < MAX_RANGES:
        lows, highs = numbers[np.append(0, breaks + 1)].tolist(), numbers[np.append(breaks, -1)].tolist()
        parts = [str(low) if low == high else f"{low}..{high}" for low, high in zip(lows, highs, strict=True)]
        return f"frame.number in {{{', '.join(parts)}}}"
    first, last = int(numbers[0]), int(numbers[-1])
    span = f"tcp.stream == {stream} && frame.number >= {first} && frame.number <= {last}"
    return f"{span} && {same_kind}" if same_kind else span
