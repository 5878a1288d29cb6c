import threading
from typing import TYPE_CHECKING

import pytest

from testbed.errors import EngineLostError, HostError
from testbed.run.rigs import MAX_CELLS, RigPool, rig_limit

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeRig:
    def __init__(self, name: str) -> None:
        self.name = name
        self.cells = 1
        self.alive = True
        self.journal: list[str] = []
        self.left: list[str] = []
        self.failures: list[HostError] = []
        self.before_finish: Callable[[], object] = int

    def finish(self, *, reset: bool) -> list[str]:
        self.before_finish()
        self.journal.append("finish" + " reset" * reset)
        return self.left

    def close(self) -> list[HostError]:
        self.journal.append("close")
        return self.failures


class Lab:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.made: list[FakeRig] = []
        self.pool: RigPool[FakeRig] = RigPool(self.notes.append)

    def make(self) -> FakeRig:
        self.made.append(FakeRig(f"rig {len(self.made) + 1}"))
        return self.made[-1]

    def cell(self, key: str = "a", *, clean: bool = True) -> FakeRig:
        """Run one cell, and wait until what it leaves has been removed."""
        with self.pool.lease(key, self.make) as lease:
            rig, lease.clean = lease.rig, clean
        self.pool.settle()
        return rig


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_cells_with_the_same_key_share_a_rig_that_is_reset_in_between(lab: Lab) -> None:
    first, second = lab.cell(), lab.cell()
    assert first is second
    assert first.journal == ["finish reset"] * 2
    lab.pool.close()
    assert first.journal == ["finish reset", "finish reset", "close"]
    assert not lab.pool.left


def test_another_key_gets_another_rig(lab: Lab) -> None:
    assert lab.cell("a") is not lab.cell("b")
    assert lab.cell("a") is lab.made[0]
    lab.pool.close()
    assert [rig.journal[-1] for rig in lab.made] == ["close", "close"]


def test_the_rig_of_another_key_makes_room_that_was_used_first(lab: Lab) -> None:
    a, b = lab.cell("a"), lab.cell("b")
    c = lab.cell("c")
    assert (a.journal[-1], b.journal[-1], c.journal[-1]) == ("close", "finish reset", "finish reset")


def test_a_rig_is_closed_after_a_failure(lab: Lab) -> None:
    failed = lab.cell(clean=False)
    assert failed.journal == ["finish", "close"]
    assert lab.cell() is not failed
    assert lab.notes == []


def test_a_rig_that_raises_is_closed(lab: Lab) -> None:
    with pytest.raises(KeyError), lab.pool.lease("a", lab.make):
        raise KeyError
    lab.pool.close()
    assert lab.made[0].journal == ["finish", "close"]


def test_a_rig_with_traces_is_replaced_and_that_is_noted(lab: Lab) -> None:
    lab.cell().left.append("a socket is left")
    polluted = lab.cell()
    assert polluted.journal[-1] == "close"
    assert lab.notes == ["a rig is replaced: a socket is left"]
    assert lab.cell() is not polluted


def test_a_rig_that_cannot_be_reset_is_replaced(lab: Lab) -> None:
    def fail() -> None:
        raise HostError("wait for the reset: it exited")

    rig = lab.cell()
    rig.before_finish = fail
    assert lab.cell() is rig
    assert rig.journal[-1] == "close"
    assert lab.notes == ["a rig is replaced: wait for the reset: it exited"]


def test_a_rig_whose_sidecars_have_ended_is_not_used(lab: Lab) -> None:
    dead = lab.cell()
    dead.alive = False
    assert lab.cell() is not dead
    lab.pool.close()
    assert dead.journal[-1] == "close"


def test_a_rig_serves_a_bounded_number_of_cells(lab: Lab) -> None:
    old = lab.cell()
    old.cells = MAX_CELLS
    assert lab.cell() is old
    assert old.journal[-1] == "close"


def test_what_cannot_be_removed_is_noted(lab: Lab) -> None:
    lab.cell().failures.append(HostError("remove network n: busy"))
    lab.pool.close()
    assert lab.notes == ["left behind: remove network n: busy"]
    assert lab.pool.left


def test_a_lost_engine_is_not_noted_for_each_rig(lab: Lab) -> None:
    lab.cell().failures.append(EngineLostError("remove network n: gone"))
    lab.pool.close()
    assert lab.notes == []
    assert lab.pool.left


def test_a_rig_that_cannot_be_made_leaves_room_for_another(lab: Lab) -> None:
    def refuse() -> FakeRig:
        raise HostError("create network: none left")

    for _ in range(3):
        with pytest.raises(HostError), lab.pool.lease("a", refuse):
            pass
    assert lab.cell() is lab.made[0]


def test_a_second_rig_serves_while_the_first_is_reset_and_no_third_is_made(lab: Lab) -> None:
    allowed = threading.Event()
    rig = lab.make()
    rig.before_finish = lambda: allowed.wait(30)
    with lab.pool.lease("a", lambda: rig) as lease:
        lease.clean = True
    with lab.pool.lease("a", lab.make) as lease:
        assert lease.rig is lab.made[1]
        lease.clean = True
        lab.made[1].before_finish = lambda: allowed.wait(30)
    threading.Timer(0.01, allowed.set).start()
    assert lab.cell() in lab.made[:2]
    assert len(lab.made) == 2
    lab.pool.close()


def test_many_threads_use_each_rig_alone_and_all_are_closed(lab: Lab) -> None:
    in_use: list[str] = []
    most = [0]
    lock = threading.Lock()

    def work(number: int) -> None:
        for step in range(50):
            with lab.pool.lease(str((number + step) % 3), lab.make) as lease:
                with lock:
                    assert lease.rig.name not in in_use
                    in_use.append(lease.rig.name)
                    most[0] = max(most[0], len(lab.made) - sum("close" in rig.journal for rig in lab.made))
                lease.clean = step % 7 != 0
                with lock:
                    in_use.remove(lease.rig.name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    lab.pool.close()
    assert not any(thread.is_alive() for thread in threads)
    assert [rig.journal.count("close") for rig in lab.made] == [1] * len(lab.made)
    assert most[0] <= rig_limit(8)
