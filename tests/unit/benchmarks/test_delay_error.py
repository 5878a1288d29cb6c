import pytest

from benchmarks.delay_error import WARM_UP, matched, quantile

MS = 10**6


def test_a_delay_is_the_time_between_both_stamps() -> None:
    sent = [[version, WARM_UP + number, number * MS] for version in (4, 6) for number in range(3)]
    arrived = [[version, number, at_ns + version * MS] for version, number, at_ns in reversed(sent)]
    found = matched(sent, arrived, 3)
    assert found.delays_ms == {"ipv4": [4.0] * 3, "ipv6": [6.0] * 3}
    assert found.missing == 0


def test_datagrams_that_are_lost_or_have_no_stamp_are_missing() -> None:
    sent = [[4, WARM_UP, 0], [4, WARM_UP + 1, 0], [6, WARM_UP, 0]]
    arrived = [[4, WARM_UP, MS], [6, WARM_UP, MS], [6, WARM_UP + 1, MS]]
    assert matched(sent, arrived, 2).missing == 2


def test_the_first_datagrams_do_not_count() -> None:
    stamps = [[4, number, 0] for number in range(WARM_UP)]
    assert matched(stamps, stamps, 0).delays_ms["ipv4"] == []


@pytest.mark.parametrize(("share", "value"), [(0.0, 0.0), (0.5, 50.0), (0.99, 99.0), (1.0, 99.0)])
def test_quantiles(share: float, value: float) -> None:
    assert quantile([float(number) for number in reversed(range(100))], share) == value
