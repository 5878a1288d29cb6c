"""The kernel's netem against the user engine, in one guest VM: number of differences, and the smallest p value."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.fidelity.compare import judged
from benchmarks.fidelity.compare import measure as send_all
from benchmarks.fidelity.judge import LEVEL
from benchmarks.figure import Figure

KERNEL = "bookworm"


def measure() -> Iterator[Figure]:
    """Send 10 000 packets per row and engine; half an hour if the guest VM is emulated."""
    with TemporaryDirectory() as folder:
        send_all(KERNEL, Path(folder))
        findings = list(judged(Path(folder)))
    different = [finding for finding in findings if not finding.same]
    yield Figure("engines compared, comparisons", len(findings), "")
    yield Figure("engines compared, different", len(different), "", most=0)
    yield Figure("engines compared, minimum p", min(each.p for each in findings if each.p is not None), "", least=LEVEL)
