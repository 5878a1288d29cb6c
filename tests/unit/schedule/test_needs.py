import pytest

from testbed.scenario.expand import expand
from testbed.schedule.needs import IDLE_CPU_SHARE, Needs, is_guest, needs_of


def needs(**fields: object) -> Needs:
    return needs_of(expand(fields)[0].cell)


def test_a_slow_reader_sleeps() -> None:
    slow = needs(delay="1s")
    assert slow.transfer_s == pytest.approx(31, rel=0.02)
    assert slow.cpu_share == IDLE_CPU_SHARE


def test_a_transfer_without_limits_needs_a_processor() -> None:
    fast = needs(nodes=10_000, content=10_000)
    assert fast.cpu_share == 1.0
    assert fast.transfer_s > 5


def test_a_slow_link_sleeps() -> None:
    """`rate` of the client's link, and two round trips of both directions' delays."""
    over = needs(nodes=1000, netem_client="rate 1mbit", netem_server="delay 100ms")
    assert over.transfer_s == pytest.approx(1_276_000 * 8 / 1e6 + 0.2, rel=0.2)
    assert over.cpu_share < 0.1
    assert needs(netem_server="rate 1kbit").transfer_s < 1, "acknowledgements are few"


def test_an_empty_list_needs_no_time() -> None:
    assert needs(nodes=0) == Needs("host", pytest.approx(0, abs=1e-3), pytest.approx(1, abs=1))


def test_a_guest_is_another_machine() -> None:
    assert (is_guest(needs()), is_guest(needs(kernel="sid"))) == (False, True)
