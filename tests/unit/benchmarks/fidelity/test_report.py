import numpy as np

from benchmarks.fidelity.judge import Finding
from benchmarks.fidelity.report import BEGIN, END, generated, put

FINDINGS = [
    Finding("loss 1%", "lost", "a", "b", "Fisher", 0.25, same=True),
    Finding("loss 1%", "bursts", "c", "d", "KS", None, same=False),
]


def test_a_line_a_comparison() -> None:
    text = generated(FINDINGS, {"kernel": "6.1", "accelerator": "tcg", "took": "3 minutes"}, {"kernel": np.ones(3)})
    assert "| `loss 1%` | lost | a | b | Fisher | 0.25 | same |" in text
    assert "|  | bursts | c | d | KS |  | **different** |" in text
    assert "1 of 2 comparisons" in text


def test_only_the_generated_part_is_replaced() -> None:
    document = f"# Head\n{BEGIN}\nold\n{END}\ntail\n"
    assert put(document, "new") == f"# Head\n{BEGIN}\n\nnew\n\n{END}\ntail\n"
    assert put(put(document, "new"), "new") == put(document, "new")
