import pytest

from netem.observe.progress import (
    FINAL_STATS_GRACE_NS,
    PROGRESS_INTERVAL_NS,
    Progress,
    ProgressTracker,
    bytes_read,
    bytes_written,
)
from tests.support.sidecar_sockets import CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, tcp_socket

LATER_NS = FINAL_STATS_GRACE_NS
SYN_SENT, FIN_WAIT2, LAST_ACK = 2, 5, 9


@pytest.mark.parametrize(
    ("state", "active", "acked", "queue", "written"),
    [
        (SYN_SENT, True, 0, 1, 0),
        (ESTABLISHED, True, 1, 0, 0),
        (ESTABLISHED, True, 1, 500, 500),
        (ESTABLISHED, True, 301, 200, 500),
        (FIN_WAIT1, True, 301, 201, 500),
        (FIN_WAIT2, True, 502, 0, 500),
        (CLOSE, True, 502, 0, 500),
        (ESTABLISHED, False, 0, 0, 0),
        (ESTABLISHED, False, 300, 200, 500),
        (LAST_ACK, False, 300, 201, 500),
        (CLOSE, False, 501, 0, 500),
    ],
)
def test_bytes_written_count_neither_syn_nor_fin(
    state: int, active: bool, acked: int, queue: int, written: int
) -> None:
    assert bytes_written(tcp_socket(1, state=state, acked=acked, send_queue=queue), active=active) == written


@pytest.mark.parametrize(
    ("state", "received", "queue", "read"),
    [
        (ESTABLISHED, 500, 0, 500),
        (ESTABLISHED, 500, 200, 300),
        (CLOSE_WAIT, 501, 201, 300),
        (CLOSE_WAIT, 501, 0, 500),
        (LAST_ACK, 501, 0, 500),
        (CLOSE, 501, 0, 500),
        (CLOSE, 501, 101, 400),
    ],
)
def test_bytes_read_do_not_count_the_fin(state: int, received: int, queue: int, read: int) -> None:
    assert bytes_read(tcp_socket(1, state=state, received=received, receive_queue=queue)) == read


def test_without_tcp_info_nothing_counts() -> None:
    silent = tcp_socket(1, info_bytes=False, send_queue=5)
    assert bytes_written(silent, active=True) == bytes_read(silent) == 0


def test_progress_is_reported_when_it_changed_and_at_most_five_times_a_second() -> None:
    tracker = ProgressTracker(8888)
    assert tracker.due_progress(0) is None
    tracker.sample([tcp_socket(1, acked=101)], 0)
    assert tracker.due_progress(1000) == Progress(100, 0, 1)
    assert tracker.due_progress(1001) is None
    tracker.sample([tcp_socket(1, acked=201)], 0)
    assert tracker.due_progress(1000 + PROGRESS_INTERVAL_NS - 1) is None
    assert tracker.due_progress(1000 + PROGRESS_INTERVAL_NS) == Progress(200, 0, 1)


def test_ended_connections_stay_in_the_sums() -> None:
    tracker = ProgressTracker(8888)
    tracker.sample([tcp_socket(1, acked=101), tcp_socket(2, acked=11)], 0)
    tracker.ended(tcp_socket(1, state=CLOSE, acked=152))
    tracker.sample([tcp_socket(2, acked=21)], 0)
    assert tracker.current == Progress(150 + 20, 0, 1)


def test_sums_do_not_decrease_when_a_connection_is_reset() -> None:
    tracker = ProgressTracker(8888)
    tracker.sample([tcp_socket(1, acked=1, send_queue=500)], 0)
    tracker.ended(tcp_socket(1, state=CLOSE, acked=100))
    assert tracker.current.bytes_written == 500


def test_idle_once_after_each_time_there_was_a_connection() -> None:
    tracker = ProgressTracker(8888)
    assert not tracker.due_idle(LATER_NS)
    tracker.sample([tcp_socket(1)], 0)
    assert not tracker.due_idle(LATER_NS)
    tracker.sample([], 0)
    assert tracker.due_idle(LATER_NS)
    assert not tracker.due_idle(LATER_NS)
    tracker.sample([tcp_socket(2)], 0)
    tracker.sample([], 0)
    assert tracker.due_idle(LATER_NS)


def test_idle_waits_for_the_final_counters() -> None:
    tracker = ProgressTracker(8888)
    tracker.sample([tcp_socket(1, acked=101)], 0)
    tracker.sample([], 1000)
    assert not tracker.due_idle(1000 + FINAL_STATS_GRACE_NS - 1)
    tracker.ended(tcp_socket(1, state=CLOSE, acked=302))
    assert tracker.due_idle(1001)
    assert tracker.current.bytes_written == 300


def test_idle_does_not_wait_forever_for_an_application_that_keeps_its_descriptor() -> None:
    tracker = ProgressTracker(8888)
    tracker.sample([tcp_socket(1)], 0)
    tracker.sample([], 1000)
    tracker.sample([], 1000 + FINAL_STATS_GRACE_NS)
    assert tracker.due_idle(1000 + FINAL_STATS_GRACE_NS)


def test_idle_after_a_connection_that_no_sample_contains() -> None:
    tracker = ProgressTracker(8888)
    tracker.ended(tcp_socket(1, state=CLOSE, acked=12))
    assert tracker.due_idle(LATER_NS)
    assert tracker.due_progress(0, final=True) == Progress(10, 0, 0)


def test_idle_on_request_even_if_there_never_was_a_connection() -> None:
    tracker = ProgressTracker(8888)
    tracker.request_idle()
    assert tracker.due_idle(LATER_NS)
    assert not tracker.due_idle(LATER_NS)
    tracker.sample([tcp_socket(1)], 0)
    tracker.request_idle()
    assert not tracker.due_idle(LATER_NS)
    tracker.sample([], 0)
    assert tracker.due_idle(LATER_NS)
    assert not tracker.due_idle(LATER_NS)


def test_listeners_and_other_ports_do_not_match() -> None:
    tracker = ProgressTracker(8888)
    assert tracker.matches(tcp_socket(1, local_port=8888, remote_port=5))
    assert tracker.matches(tcp_socket(1, local_port=5, remote_port=8888))
    assert not tracker.matches(tcp_socket(1, local_port=8888, remote_port=0))
    assert not tracker.matches(tcp_socket(1, local_port=5, remote_port=6))
