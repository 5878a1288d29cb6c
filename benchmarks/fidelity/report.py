"""Write docs/fidelity.md: this module generates the part between the marks, the rest is written by hand."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.fidelity.inference import Numbers
from benchmarks.fidelity.judge import LEVEL, Finding
from benchmarks.fidelity.rows import PACKETS, ROWS, in_python
from benchmarks.generated import begin_of, put

BEGIN: Final = begin_of("benchmarks.fidelity")


def generated(findings: Sequence[Finding], facts: Mapping[str, str], noise: Mapping[str, Numbers]) -> str:
    """Return the tables in Markdown."""
    lines = [
        f"Kernel {facts['kernel']}, {facts['accelerator']}, {PACKETS} packets a row and engine, {facts['took']}.",
        "",
        _data_paths(),
        "",
        "| noise: what is added to a fixed delay | p50 | p90 | p99 |",
        "|---|---|---|---|",
    ]
    for engine, values in noise.items():
        p50, p90, p99 = np.percentile(values, [50, 90, 99])
        lines.append(f"| {engine} | {p50:.2f} ms | {p90:.2f} ms | {p99:.2f} ms |")
    same = sum(finding.same for finding in findings)
    lines += [
        "",
        f"{same} of {len(findings)} comparisons of {len(ROWS)} rows: same. A p below {LEVEL:.1e} is a difference.",
        "",
    ]
    lines += ["| impairment | compared | kernel | user | statistic | p | verdict |", "|---|---|---|---|---|---|---|"]
    for text, group in groupby(findings, key=lambda finding: finding.text):
        for number, finding in enumerate(group):
            lines.append(_line(f"`{text}`" if not number else "", finding))
    return "\n".join(lines)


def _data_paths() -> str:
    python = in_python()
    in_c = f"{len(ROWS) - len(python)} of {len(ROWS)} rows and in the pairs that measure the noise"
    return f"Data path of the user engine: C in {in_c}, Python in {', '.join(f'`{text}`' for text in python)}."


def _line(text: str, finding: Finding) -> str:
    p = "" if finding.p is None else f"{finding.p:.2g}"
    verdict = "same" if finding.same else "**different**"
    cells = (text, finding.what, finding.kernel, finding.user, finding.statistic, p, verdict)
    return f"| {' | '.join(cells)} |"


def write(document: Path, findings: Sequence[Finding], facts: Mapping[str, str], noise: Mapping[str, Numbers]) -> None:
    """Replace the generated part of a file."""
    document.write_text(put(document.read_text(), BEGIN, generated(findings, facts, noise)))
