from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import CapabilityError, HostError
from testbed.ownership import ROLE, Owner, ResourceLabels
from testbed.run.cell import CellOutcome, CellRun
from testbed.run.rig import Rig, rig_key
from testbed.scenario.ends import ROLES
from testbed.stack.cell import EndpointSpec
from tests.support.fake_engine import FakeEngine, FakeProcess

OWNER = Owner("h", "b", 1, 1)


class Silent:
    def phase(self, name: str) -> None: ...

    def progress(self, bytes_written: int, bytes_read: int) -> None: ...


def specs(**changes: Any) -> dict[str, EndpointSpec]:
    return {role: EndpointSpec(f"image-{role}", "", {"A": "1"}, {"NETEM_SEED": role}, **changes) for role in ROLES}


def labels(cell: str) -> ResourceLabels:
    return ResourceLabels("r", cell, OWNER)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def rig(engine: FakeEngine) -> Iterator[Rig]:
    made = Rig(engine, labels("rig-1"), specs(), "netem", tun=True)
    yield made
    engine.fail_on.clear()
    assert made.close() == []


def run(rig: Rig, folder: Path, name: str, **changes: Any) -> CellOutcome:
    for role in ROLES:
        (folder / name / role).mkdir(parents=True)
    outcome = CellOutcome()
    cell = rig.cell(labels(name), specs(**changes))
    CellRun(cell, folder / name, Silent(), outcome).run_on(cell.stack, 30.0, keep="never", real_time=False)
    return outcome


def test_a_rig_has_a_network_two_volumes_and_two_sessions(engine: FakeEngine, rig: Rig) -> None:
    kinds = sorted(f"{kind} {found[1][ROLE]}" for (kind, _), found in engine.resources.items())
    ends = [f"{kind} {role}{part}" for kind, part in (("container", "-netem"), ("volume", "")) for role in ROLES]
    assert kinds == sorted([*ends, "network link"])
    for session in engine.sessions.values():
        assert (session.spec.command, session.spec.network) == (("session",), "testbed-r-rig-1-link")
        assert "NETEM_SEED" not in session.spec.environment
    assert rig.close() == []
    assert engine.resources == {}


def test_cells_use_the_same_sidecars_and_new_endpoints(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    joined = []
    for name in ("c1", "c2"):
        engine.files["client"] = {"capture.pcap": name.encode()}
        outcome = run(rig, tmp_path, name)
        assert outcome.failure is None
        assert outcome.notes == []
        assert set(outcome.sidecars["client"]) == {"link", "verified", "stopped"}
        assert {role: end.exit_code for role, end in outcome.exits.items()} == {"client": 0, "server": 0}
        assert (tmp_path / name / "client" / "capture.pcap").read_bytes() == name.encode()
        assert (tmp_path / name / "client" / "netem.jsonl").read_text().count('"event"') == 4
        assert '"session"' not in (tmp_path / name / "client" / "netem.jsonl").read_text()
        assert engine.processes["client"].spec.name == f"testbed-r-{name}-client"
        joined.append(engine.processes["client"].spec.joins)
        assert rig.finish(reset=True) == []
    assert joined == ["id-testbed-r-rig-1-client-netem"] * 2
    assert engine.journal.count("create network") == 1
    assert engine.journal.count("create client-netem") == 1
    assert engine.journal.count("remove container client") == 2
    # The endpoints are gone before their traces are removed.
    last = engine.journal[-4:]
    assert sorted(last[:2]) == ["remove container client", "remove container server"]
    assert sorted(last[2:]) == ["reset client-netem", "reset server-netem"]
    assert rig.cells == 2


def test_the_settings_of_each_cell_reach_its_sidecar(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    run(rig, tmp_path, "c1")
    assert engine.processes["server-netem"].spec.environment == {"NETEM_SEED": "server"}


def test_files_that_the_session_left_come_from_the_engine(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    engine.files["server"] = {"endpoint/events.csv": b"large"}
    engine.left_files = ["endpoint/events.csv"]
    run(rig, tmp_path, "c1")
    assert (tmp_path / "c1" / "server" / "events.csv").read_bytes() == b"large"


def test_an_error_of_a_sidecar_is_the_failure_of_its_cell(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    def fail(process: FakeProcess) -> None:
        process.emit("error", attempt="verify the link", message="late", hint="free the host")
        process.exit(1)

    engine.scripts["client-netem"] = fail
    outcome = run(rig, tmp_path, "c1")
    assert outcome.failure is not None
    assert outcome.failure.message == "the sidecar of the client: verify the link: late"
    assert rig.finish(reset=False) == []


def test_a_sidecar_that_ended_with_an_error_after_the_cell_is_a_trace(
    engine: FakeEngine, rig: Rig, tmp_path: Path
) -> None:
    def fail_late(process: FakeProcess) -> None:
        healthy(process)

        def stop(process: FakeProcess) -> None:
            process.emit("stopped", counters={}, capture={})
            process.exit(1)

        process.on_signal["SIGTERM"] = stop

    healthy = engine.scripts["client-netem"]
    engine.scripts["client-netem"] = fail_late
    assert run(rig, tmp_path, "c1").failure is None
    assert rig.finish(reset=True) == ["the sidecar has ended with code 1"]


def test_traces_that_are_left_are_named(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    engine.left_traces = ["2 sockets are left"]
    run(rig, tmp_path, "c1")
    assert rig.finish(reset=True) == ["2 sockets are left"] * 2


def test_endpoints_that_cannot_be_removed_prevent_a_reset(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    run(rig, tmp_path, "c1")
    engine.fail_on["remove container client"] = HostError("remove container: device busy")
    with pytest.raises(HostError, match="device busy"):
        rig.finish(reset=True)
    assert not any(entry.startswith("reset") for entry in engine.journal)


def test_a_session_that_ends_between_cells_is_noticed(engine: FakeEngine, rig: Rig, tmp_path: Path) -> None:
    assert rig.alive
    engine.sessions["testbed-r-rig-1-client-netem"].exit(137)
    outcome = run(rig, tmp_path, "c1")
    assert outcome.failure is not None
    assert outcome.failure.kind == "environment"
    assert not rig.alive
    assert rig.finish(reset=False) == []


def test_a_session_that_does_not_begin_leaves_nothing(engine: FakeEngine) -> None:
    engine.fail_on["start server-netem"] = HostError("start: no such sysctl")
    with pytest.raises(HostError, match="no such sysctl"):
        Rig(engine, labels("rig-1"), specs(), "netem", tun=True)
    assert engine.resources == {}


@pytest.mark.parametrize("attempt", ["create", "start"])
def test_a_refused_capability_is_an_error_of_its_own(attempt: str) -> None:
    engine = FakeEngine(refuses_capability=attempt)
    with pytest.raises(CapabilityError):
        Rig(engine, labels("rig-1"), specs(), "netem", tun=True)
    assert engine.resources == {}


def test_tables_and_traces_are_in_the_volume(engine: FakeEngine) -> None:
    Rig(engine, labels("rig-1"), specs(files={"t.dist": b"1"}), "netem", tun=True).close()
    assert engine.unpacked["client-netem"] == {"/var/lib/testbed/link/t.dist": b"1"}


def test_a_rig_suits_cells_with_the_same_namespaces() -> None:
    keys = [
        specs(),
        specs(sysctls={"net.ipv4.tcp_sack": "0"}),
        specs(sysctls={"net.ipv4.tcp_sack": "1"}),
        specs(files={"a": b"1"}),
        specs(files={"a": b"2"}),
        specs(real_time=False),
    ]
    assert len({rig_key(each) for each in keys}) == len(keys)
    other = {role: EndpointSpec("other", "1:1", {"B": "2"}, {"NETEM_SEED": "9"}) for role in ROLES}
    assert rig_key(other) == rig_key(specs())
