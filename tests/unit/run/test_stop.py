import threading

import pytest

from testbed.run.stop import Stop


def test_the_first_request_is_in_order_and_the_second_at_once() -> None:
    stop = Stop()
    levels = []
    for _ in range(3):
        levels.append((stop.in_order, stop.at_once))
        stop.request()
    assert levels == [(False, False), (True, False), (True, True)]


def test_subscribers_see_each_request_and_those_that_came_late_the_last() -> None:
    stop = Stop()
    seen: list[str] = []
    assert not stop.request(), "nobody has seen it"
    end = stop.subscribe(lambda: seen.append("late"))
    assert stop.request()
    end()
    assert not stop.request()
    assert seen == ["late", "late"]


def test_to_end_in_order_is_requested_once() -> None:
    stop = Stop()
    stop.end_in_order()
    stop.end_in_order()
    assert not stop.at_once


def test_a_request_may_interrupt_another() -> None:
    """As a signal handler does, in the thread that holds the lock."""
    stop = Stop()

    def again() -> None:
        if not stop.at_once:
            stop.request()

    stop.subscribe(again)
    stop.request()
    assert stop.at_once


def test_code_may_listen_without_a_callback() -> None:
    stop = Stop()
    with stop.listening():
        assert stop.request()
    assert not stop.request()


@pytest.mark.parametrize("threads", [8])
def test_requests_of_many_threads_are_counted(threads: int) -> None:
    stop, calls = Stop(), []
    stop.subscribe(lambda: calls.append(1))
    workers = [threading.Thread(target=stop.request) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(calls) == threads
    assert stop.at_once
