"""Findings for a terminal: the answer, each finding with its numbers, its evidence and what speaks against it."""

from collections.abc import Sequence
from typing import Final

from testbed.report.wrapping import WIDTH, wrapped
from testbed.result import Evidence, Finding, Silence

WORTH_TELLING: Final = 0.2
"""Findings weaker than this are shown on request only."""


def _number(name: str, value: float | int | str) -> str:
    shown = f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    return f"{name}={shown}"


def _evidence(evidence: Evidence, width: int) -> list[str]:
    where = evidence.file
    if evidence.first is not None:
        kind = "frame" if evidence.kind == "frames" else "line"
        span = f"s {evidence.first} to {evidence.last} ({evidence.count})"
        where += f", {kind}{f' {evidence.first}' if evidence.first == evidence.last else span}"
    lines = wrapped(f"{where}: {evidence.says}", 14, "    see       ", width)
    return [*lines, f"              wireshark: {evidence.filter}"] if evidence.filter else lines


def finding_lines(finding: Finding, width: int = WIDTH) -> list[str]:
    """Return a finding with everything that belongs to it."""
    lines = [finding.name, *wrapped(finding.sentence, 2, width=width)]
    numbers = "  ".join(_number(name, value) for name, value in finding.numbers.items())
    lines += wrapped(numbers, 14, "    numbers   ", width) if numbers else []
    for evidence in finding.evidence:
        lines += _evidence(evidence, width)
    lines.append(f"    sure      {finding.confidence}")
    for label, texts in (("against", finding.contradicting), ("not seen", finding.not_observed)):
        for text in texts:
            lines += wrapped(text, 14, f"    {label:<10}", width)
    return lines


def explanation_lines(
    verdict: str,
    findings: Sequence[Finding],
    silent: Sequence[Silence] = (),
    machine: str = "",
    width: int = WIDTH,
) -> list[str]:
    """Return the answer, what machine it is of unless this host, the findings, and why others are silent."""
    lines = wrapped(verdict, width=width) if verdict else ["Nothing was seen of a transfer."]
    lines += [f"({machine})"] if machine else []
    for finding in findings:
        lines += ["", *finding_lines(finding, width)]
    if silent:
        lines += ["", "silent"]
        lines += _silences(silent, width)
    return lines


def _silences(silent: Sequence[Silence], width: int) -> list[str]:
    lines, longest = [], max(len(silence.name) for silence in silent)
    for silence in silent:
        mark = "" if silence.observable else "cannot be told: "
        lines += wrapped(f"{mark}{silence.reason}", longest + 4, f"  {silence.name:<{longest}}  ", width)
    return lines
