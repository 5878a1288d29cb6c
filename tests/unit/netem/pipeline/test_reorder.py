import pytest

from tests.support.effort import many
from tests.support.frames import send_numbered

PACKETS = many(20_000)
MS = 10**6


def overtaking(text: str, packets: int = PACKETS) -> list[int]:
    pipeline, left = send_numbered(f"limit 100000 delay 10ms {text}", packets, every_ns=MS)
    numbers = [number for at_ns, number in left if at_ns == number * MS]
    assert {at_ns - number * MS for at_ns, number in left} <= {0, 10 * MS}
    assert pipeline.stats().counters.reordered == len(numbers)
    return sorted(numbers)


@pytest.mark.parametrize("probability", [0.01, 0.25, 0.9])
def test_the_share_of_overtaking_packets(probability: float) -> None:
    count = len(overtaking(f"reorder {probability * 100}%"))
    assert count == pytest.approx(probability * PACKETS, abs=4 * (probability * (1 - probability) * PACKETS) ** 0.5)


def test_a_gap_of_five_sends_every_fifth() -> None:
    assert overtaking("reorder 100% gap 5", 100) == list(range(4, 100, 5))


def test_a_gap_and_a_probability() -> None:
    # after gap - 1 delayed packets each further one overtakes with p: one in gap - 1 + 1/p on average
    count = len(overtaking("reorder 50% gap 4"))
    assert count == pytest.approx(PACKETS / (3 + 2), abs=4 * (PACKETS * 2 / 5**3) ** 0.5)  # 2: the variance of 1/p


def test_true_correlation_keeps_the_share() -> None:
    count = len(overtaking("reorder 25% 50% correlation true"))
    assert count == pytest.approx(0.25 * PACKETS, abs=4 * (0.25 * 0.75 * PACKETS * 3) ** 0.5)
