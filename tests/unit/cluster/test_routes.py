"""Which workers may run a cell."""

from testbed.cluster.job import Build
from testbed.cluster.port import WorkerState
from testbed.cluster.routes import Refusal, Routes

OURS = Build("1.0", "abc")
WORKERS = {address: WorkerState(address, 2) for address in ("a", "b", "c")}


def test_without_refusals_there_is_no_restriction() -> None:
    assert Routes(OURS).restriction(WORKERS, ()) is None


def test_what_one_cell_was_refused_excludes_for_this_cell_only() -> None:
    routes = Routes(OURS)
    assert routes.restriction(WORKERS, {"a"}) == ["b", "c"]
    assert routes.restriction(WORKERS, ()) is None


def test_a_refusal_of_every_cell_excludes_for_all_and_is_new_once() -> None:
    routes = Routes(OURS)
    assert routes.refuse_always("b", Refusal("b", "no"))
    assert not routes.refuse_always("b", Refusal("b", "no"))
    assert routes.restriction(WORKERS, {"a"}) == ["c"]


def test_builds_are_compared() -> None:
    routes = Routes(OURS)
    new = routes.judge_probes({"a": OURS, "b": Build("1.0", "def"), "c": "ModuleNotFoundError: testbed"})
    assert [each.machine for each in new] == ["b", "c"]
    assert "cannot import testbed" in str(new[1])
    assert routes.judge_probes({"b": Build("1.0", "def")}) == []
    assert routes.allowed(WORKERS, ()) == ["a"]


def test_a_machine_may_have_several_workers_but_no_namesake() -> None:
    routes = Routes(OURS)
    assert routes.accept_machine({"name": "vm", "id": "m1.4026531836", "kernel": "6"}) == ""
    assert routes.accept_machine({"name": "vm", "id": "m1.4026531999", "kernel": "6"}) == ""
    assert "same name, vm" in routes.accept_machine({"name": "vm", "id": "m2.4026531836"})
    assert routes.machines == {"vm": {"id": "m1.4026531836", "kernel": "6"}}
