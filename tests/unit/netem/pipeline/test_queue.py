from hypothesis import given
from hypothesis import strategies as st

from netem.pipeline.queue import TimeQueue


def entry(due_ns: int, number: int) -> tuple[int, int, int, bytes]:
    return (due_ns, 0, 1, bytes([number % 256]))


@given(st.lists(st.integers(0, 20), max_size=60))
def test_it_sorts_and_keeps_the_order_of_equals_in_line(times: list[int]) -> None:
    queue = TimeQueue()
    for number, due_ns in enumerate(times):
        queue.add(entry(due_ns, number))
        assert queue.last_due_ns() == max(times[: number + 1])
    taken = []
    while len(queue):
        head = queue.head()
        last = queue.last_due_ns()
        taken.append(queue.pop())
        assert taken[-1] == head
        assert last == max([*times_of(queue), taken[-1][0]])
    assert [e[0] for e in taken] == sorted(times)
    assert queue.head() is None
    assert queue.last_due_ns() is None


def times_of(queue: TimeQueue) -> list[int]:
    return [e[0] for e in queue.line] + [due for due, _, _ in queue.heap]


def test_times_that_do_not_decrease_need_no_heap() -> None:
    queue = TimeQueue()
    for number in range(50):
        queue.add(entry(number // 3, number))
    assert not queue.heap
    assert [queue.pop()[3][0] for _ in range(50)] == list(range(50))


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(0, 20))
def test_release_moves_what_is_due(times: list[int], now_ns: int) -> None:
    queue = TimeQueue()
    for number, due_ns in enumerate(times):
        queue.add(entry(due_ns, number))
    queue.release(now_ns)
    assert [e[0] for e in queue.ready] == sorted(time for time in times if time <= now_ns)
    assert len(queue) == sum(time > now_ns for time in times)
