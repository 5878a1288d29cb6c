import numpy as np

from benchmarks.fidelity.judge import Finding
from benchmarks.fidelity.report import generated

FINDINGS = [
    Finding("loss 1%", "lost", "a", "b", "Fisher", 0.25, same=True),
    Finding("loss 1%", "bursts", "c", "d", "KS", None, same=False),
]


def test_a_line_a_comparison() -> None:
    text = generated(FINDINGS, {"kernel": "6.1", "accelerator": "tcg", "took": "3 minutes"}, {"kernel": np.ones(3)})
    assert "| `loss 1%` | lost | a | b | Fisher | 0.25 | same |" in text
    assert "|  | bursts | c | d | KS |  | **different** |" in text
    assert "1 of 2 comparisons" in text
