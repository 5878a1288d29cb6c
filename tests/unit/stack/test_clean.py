from testbed.errors import HostError
from testbed.ownership import Owner, labels, this_process
from testbed.stack.clean import leftovers, remove_all
from testbed.stack.ports import ContainerSpec
from tests.support.fake_engine import FakeEngine

ME = this_process()
DEAD = Owner(ME.host, ME.boot, ME.pid, ME.start_ticks + 1)
ELSEWHERE = Owner("other.1", "boot", 1, 1)


def engine_with(*owners: Owner) -> FakeEngine:
    engine = FakeEngine()
    for index, owner in enumerate(owners):
        tags = labels(f"run{index}", "c", "client", owner)
        engine.create_network(f"n{index}", tags)
        engine.create_volume(f"v{index}", tags)
        engine.create_container(ContainerSpec(f"c{index}", "i", tags, {}))
    return engine


def test_only_the_dead_of_this_host() -> None:
    engine = engine_with(ME, DEAD, ELSEWHERE)
    found = leftovers(engine, ME)
    assert {each.labels["testbed.run"] for each in found} == {"run1"}
    assert len(found) == 3


def test_kept_resources_are_removed_only_on_request() -> None:
    engine = engine_with(DEAD)
    engine.create_volume("kept", labels("r", "c", "client", DEAD, keep=True))
    assert len(leftovers(engine, ME, kept=False)) == 3
    assert len(leftovers(engine, ME)) == 4


def test_everything_on_request() -> None:
    engine = engine_with(ME, DEAD, ELSEWHERE)
    engine.create_volume("stack", {"testbed.run": "by hand", "testbed.role": "x"})
    assert len(leftovers(engine, ME, everything=True)) == 10
    assert len(leftovers(engine, ME)) == 3


def test_only_what_is_old_enough() -> None:
    engine = engine_with(DEAD)  # made at 1000 s
    assert leftovers(engine, ME, older_than_s=60, now_s=1059) == []
    assert len(leftovers(engine, ME, older_than_s=60, now_s=1061)) == 3


def test_resources_without_our_label_are_ignored() -> None:
    engine = FakeEngine()
    engine.create_volume("foreign", {"testbed.role": "x"})
    assert leftovers(engine, ME, everything=True) == []


def test_containers_go_before_what_they_use() -> None:
    engine = engine_with(DEAD)
    engine.journal.clear()
    assert remove_all(engine, [found.handle for found in leftovers(engine, ME)]) == []
    assert engine.journal[0] == "remove container client"
    assert engine.resources == {}


def test_a_failure_does_not_stop_the_others() -> None:
    engine = engine_with(DEAD)
    engine.fail_on["remove volume client"] = HostError("busy")
    failures = remove_all(engine, [found.handle for found in leftovers(engine, ME)])
    assert [failure.message for failure in failures] == ["busy"]
    assert list(engine.resources) == [("volume", "v0")]
