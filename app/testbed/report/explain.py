"""Findings for a terminal: the answer, each finding with its facts, its evidence and what contradicts it."""

from collections.abc import Sequence
from typing import Any, Final

from testbed.report.wrapping import WIDTH, wrapped
from testbed.result import Evidence, Finding, NotReported

MIN_STRENGTH: Final = 0.2
"""Findings weaker than this are shown on request only."""
_INDENT: Final = 21


def _fact(name: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return f"{name}={','.join(str(each) for each in value)}"
    shown = f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    return f"{name}={shown}"


def _is_shown(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a fact has a short form; the sentence has what facts with parts contain."""
    return value not in (None, []) and not (isinstance(value, list) and isinstance(value[0], dict))


def _labelled(label: str, text: str, width: int) -> list[str]:
    return wrapped(text, _INDENT, f"    {label:<{_INDENT - 4}}", width)


def _evidence(evidence: Evidence, width: int) -> list[str]:
    where = evidence.file
    if evidence.first is not None:
        kind = "frame" if evidence.kind == "frames" else "line"
        span = f"{evidence.count} {kind}s between {evidence.first} and {evidence.last}"
        where += f", {f'{kind} {evidence.first}' if evidence.first == evidence.last else span}"
    lines = _labelled("evidence", f"{where}: {evidence.description}", width)
    return [*lines, f"{'':{_INDENT}}wireshark: {evidence.filter}"] if evidence.filter else lines


def finding_lines(finding: Finding, width: int = WIDTH) -> list[str]:
    """Return a finding with everything that belongs to it; facts that are not known or have parts are left out."""
    lines = [finding.name, *wrapped(finding.sentence, 2, width=width)]
    facts = "  ".join(_fact(name, value) for name, value in finding.facts.items() if _is_shown(value))
    lines += _labelled("facts", facts, width) if facts else []
    for evidence in finding.evidence:
        lines += _evidence(evidence, width)
    lines += _labelled("confidence", finding.confidence, width)
    for label, texts in (("contradicted by", finding.contradicted_by), ("not observed", finding.not_observed)):
        for text in texts:
            lines += _labelled(label, text, width)
    return lines


def explanation_lines(
    verdict: str,
    findings: Sequence[Finding],
    not_reported: Sequence[NotReported] = (),
    machine: str = "",
    width: int = WIDTH,
) -> list[str]:
    """Return the answer, the guest VM that it is about if any, the findings, and why others are absent."""
    lines = wrapped(verdict, width=width) if verdict else ["No transfer was observed."]
    lines += [f"({machine})"] if machine else []
    for finding in findings:
        lines += ["", *finding_lines(finding, width)]
    if not_reported:
        lines += ["", "not reported", *_absent(not_reported, width)]
    return lines


def _absent(not_reported: Sequence[NotReported], width: int) -> list[str]:
    lines, longest = [], max(len(each.name) for each in not_reported)
    for each in not_reported:
        mark = "" if each.observable else "not observable: "
        lines += wrapped(f"{mark}{each.reason}", longest + 4, f"  {each.name:<{longest}}  ", width)
    return lines
