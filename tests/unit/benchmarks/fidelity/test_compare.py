import numpy as np
import pytest

from benchmarks.fidelity.compare import undisturbed
from benchmarks.fidelity.rows import ATTEMPTS, ROWS, Row
from benchmarks.fidelity.sample import Sample

COUNT = 100


class Lab:
    """Sends packets through a machine that stalls a number of times."""

    def __init__(self, stalls: int) -> None:
        self.stalls = stalls
        self.sent = 0

    def send(self, *_: object) -> tuple[Sample, None]:
        left_ms = np.arange(COUNT, dtype=np.float64)
        left_ms[COUNT // 2 :] += 200 if self.sent < self.stalls else 0
        self.sent += 1
        return Sample(left_ms, np.ones(COUNT, np.int64), np.zeros(COUNT, np.bool_), left_ms), None


def row(word: str) -> Row:
    return next(each for each in ROWS if each.text.startswith(word))


@pytest.mark.parametrize(
    ("text", "stalls", "sent"),
    [
        ("delay 1s 250ms", 1, 2),
        ("delay 200ms reorder 25%", 1, 2),
        ("delay 200ms reorder 25%", 9, ATTEMPTS),
        ("delay 200ms reorder 25%", 0, 1),
        ("loss 2%", 1, 1),
        ("slot 100ms", 1, 1),
    ],
)
def test_a_row_with_a_stall_is_repeated(text: str, stalls: int, sent: int) -> None:
    lab = Lab(stalls)
    undisturbed(lab, "user", row(text), 0)  # type: ignore[arg-type]
    assert lab.sent == sent
