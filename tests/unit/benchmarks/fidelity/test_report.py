import numpy as np

from benchmarks.fidelity.judge import Finding
from benchmarks.fidelity.report import generated
from benchmarks.fidelity.rows import ROWS, in_python

FACTS = {"kernel": "6.1", "accelerator": "tcg", "took": "3 minutes"}
FINDINGS = [
    Finding("loss 1%", "lost", "a", "b", "Fisher", 0.25, same=True),
    Finding("loss 1%", "bursts", "c", "d", "KS", None, same=False),
]


def test_a_line_a_comparison() -> None:
    text = generated(FINDINGS, FACTS, {"kernel": np.ones(3)})
    assert "| `loss 1%` | lost | a | b | Fisher | 0.25 | same |" in text
    assert "|  | bursts | c | d | KS |  | **different** |" in text
    assert "1 of 2 comparisons" in text


def test_the_data_path_of_each_row_is_reported() -> None:
    words = {word for text in in_python() for word in ("corrupt", "slot") if word in text}
    assert words == {"corrupt", "slot"}
    text = generated(FINDINGS, FACTS, {})
    assert f"C in {len(ROWS) - len(in_python())} of {len(ROWS)} rows" in text
    assert "Python in `corrupt 3%`, `slot 100ms 200ms`," in text
