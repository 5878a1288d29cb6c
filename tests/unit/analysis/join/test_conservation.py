from dataclasses import replace

import pytest

from testbed.analysis.join.conservation import check
from testbed.analysis.join.timeline import Timeline
from tests.support.transfers import fast_reader, slow_reader, swallowed


def timeline(**changes: object) -> Timeline:
    made = slow_reader(chunk_bytes=10_000).observe().timeline
    assert made is not None
    return replace(made, **{name: getattr(made, name) + change for name, change in changes.items()})


@pytest.mark.parametrize("transfer", [slow_reader, swallowed])
def test_it_is_exact_in_every_stalled_state(transfer) -> None:
    made = transfer().observe().timeline
    checked = check(made)
    assert checked.exact
    assert checked.by_log
    assert checked.states >= 5


@pytest.mark.parametrize(("column", "gap"), [("read_bytes", 20_000), ("receive_queue_bytes", -40_000)])
def test_a_gap_is_found(column: str, gap: int) -> None:
    checked = check(timeline(**{column: gap}))
    assert not checked.exact
    assert checked.violated.all()


def test_a_blocked_write_may_have_been_taken_in_part() -> None:
    checked = check(timeline(written_bytes=-300, in_progress_bytes=300))
    assert checked.exact
    assert checked.partly_written_bytes == 300


def test_without_a_log_of_writes_the_kernels_count_serves() -> None:
    transfer = slow_reader()
    transfer.logs["client"] = []
    made = transfer.observe().timeline
    assert made is not None
    checked = check(made)
    assert (checked.exact, checked.by_log) == (True, False)


def test_what_is_in_flight_is_not_at_rest() -> None:
    assert check(timeline(in_flight_bytes=1)).states == 0


def test_nothing_at_rest_nothing_checked() -> None:
    made = fast_reader().observe().timeline
    assert made is not None
    assert (check(made).states, check(made).exact) == (0, True)
