import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.pipeline.rate import line_bytes
from netem.spec.model import Rate
from tests.support.effort import many
from tests.support.frames import send_numbered

S = 10**9


@pytest.mark.parametrize(
    ("rate", "wire", "line"),
    [
        (Rate(8), 100, 100),
        (Rate(8, 20), 100, 120),
        (Rate(8, -14), 100, 86),
        (Rate(8, -200), 100, 0),
        (Rate(8, 0, 53), 53, 53),
        (Rate(8, 0, 53), 54, 106),
        (Rate(8, 0, 48, 5), 100, 159),  # ATM: three cells of 48 + 5
        (Rate(8, 8, 48, 5), 100, 159),
        (Rate(8, 0, 48, -8), 100, 120),
        (Rate(8, 20, 100, 5), 1000, 1155),  # the manual page's own: rate 5kbit 20 100 5
    ],
)
def test_bytes_on_the_line(rate: Rate, wire: int, line: int) -> None:
    assert line_bytes(wire, rate) == line


@given(st.integers(0, 70_000), st.integers(-100, 100), st.integers(1, 2000), st.integers(0, 100))
def test_cells_are_whole_and_enough(wire: int, overhead: int, cell: int, cell_overhead: int) -> None:
    line = line_bytes(wire, Rate(8, overhead, cell, cell_overhead))
    cells, rest = divmod(line, cell + cell_overhead)
    assert rest == 0
    needed = max(0, wire + overhead)
    assert cells * cell >= needed > (cells - 1) * cell or cells == needed == 0


def test_a_long_queue_leaves_to_the_nanosecond() -> None:
    packets, size = many(20_000), 500
    _, left = send_numbered(f"limit {packets} rate 10mbit 20 100 5", packets, every_ns=0, size=size)
    each_ns = (-(-(size + 20) // 100) * 105) * 8 * S // 10**7
    assert [at_ns for at_ns, _ in left] == [each_ns * (number + 1) for number in range(packets)]


def test_there_is_no_credit_for_idle_time() -> None:
    _, left = send_numbered("rate 8kbit", 3, every_ns=10 * S, size=100)
    assert [at_ns for at_ns, _ in left] == [S // 10, 10 * S + S // 10, 20 * S + S // 10]


def test_delay_comes_before_rate_and_is_shared_by_a_queue() -> None:
    _, left = send_numbered("delay 1s rate 8kbit", 3, every_ns=0, size=100)
    assert [at_ns for at_ns, _ in left] == [S + S // 10, S + 2 * S // 10, S + 3 * S // 10]


def test_the_limit_drops_packets_that_do_not_fit() -> None:
    pipeline, left = send_numbered("limit 10 rate 8kbit", 100, every_ns=S // 100, size=100)
    counters = pipeline.stats().counters
    assert counters.dropped_limit == 100 - len(left) == 100 - 19  # ten wait, one leaves each 100 ms
    assert counters.queue_packets_max == 10
