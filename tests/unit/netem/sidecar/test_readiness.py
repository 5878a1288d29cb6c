from itertools import permutations

import pytest

from netem.sidecar.readiness import Readiness


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_it_is_reached_once_and_only_when_nothing_is_awaited(order: tuple[int, ...]) -> None:
    awaited = [["a"], ["b", "c"], ["d"]]
    reached: list[bool] = []
    readiness = Readiness()
    for texts in awaited:
        readiness.require(lambda texts=texts: texts)  # type: ignore[misc]
    readiness.call_when_reached(lambda: reached.append(readiness.reached))
    assert readiness.awaited() == ["a", "b", "c", "d"]
    for index in order:
        assert not reached
        awaited[index].clear()
        readiness.check()
    readiness.check()
    assert reached == [True]
    assert readiness.awaited() == []


def test_nothing_is_reached_before_there_is_someone_to_call() -> None:
    readiness = Readiness()
    readiness.check()
    assert not readiness.reached
    calls: list[str] = []
    readiness.call_when_reached(lambda: calls.append("ready"))
    assert calls == ["ready"]
    assert readiness.reached


def test_what_is_lost_after_it_was_reached_changes_nothing() -> None:
    awaited: list[str] = []
    readiness = Readiness()
    readiness.require(lambda: awaited)
    readiness.call_when_reached(awaited.clear)
    awaited.append("again")
    readiness.check()
    assert readiness.reached
