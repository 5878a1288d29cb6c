from collections import Counter

import pytest

from tests.support.effort import many
from tests.support.frames import send_numbered

PACKETS = many(20_000)
Z = 4.0


@pytest.mark.parametrize("probability", [0.01, 0.3])
def test_the_share_of_duplicates(probability: float) -> None:
    pipeline, left = send_numbered(f"limit 10 duplicate {probability * 100}%", PACKETS)
    error = Z * (probability * (1 - probability) * PACKETS) ** 0.5
    doubled = len(left) - PACKETS
    assert doubled == pytest.approx(probability * PACKETS, abs=error)
    assert pipeline.stats().counters.duplicated == doubled
    assert set(Counter(number for _, number in left).values()) == {1, 2}


def test_a_copy_has_its_own_delay_and_is_not_copied_again() -> None:
    _, left = send_numbered("duplicate 100% delay 10ms 5ms", 500, every_ns=10**8)
    times = [at_ns for at_ns, _ in left]
    assert len(left) == 1000
    assert len(set(times)) > 900


def test_a_copy_has_its_own_loss() -> None:
    pipeline, left = send_numbered("duplicate 100% loss 50%", 20_000)
    # original and no copy when the original draws a loss; else the original, and the copy if that draws none
    assert len(left) == pytest.approx(20_000 * (0.5 * 1 + 0.5 * (1 + 0.5)), abs=Z * (20_000 * 0.25) ** 0.5)
    assert pipeline.stats().counters.dropped_loss == pytest.approx(5000, abs=Z * (20_000 * 0.1875) ** 0.5)
