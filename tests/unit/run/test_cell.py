import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import EngineLostError, HostError
from testbed.ownership import Owner, ResourceLabels
from testbed.run.cell import CellOutcome, CellRun
from testbed.run.contract import endpoint_environment, sidecar_environment
from testbed.scenario.model import ROLES, Cell
from testbed.stack.cell import EndpointSpec
from tests.support.fake_engine import FakeEngine, FakeProcess, Script, client, server

OWNER = Owner("host.1", "boot", 1, 2)


class Silent:
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.transferred: list[tuple[int, int]] = []

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def progress(self, bytes_written: int, bytes_read: int) -> None:
        self.transferred.append((bytes_written, bytes_read))


def endpoints() -> Mapping[str, EndpointSpec]:
    cell = Cell(nodes=1, content=0)
    return {
        role: EndpointSpec("image", "65532", endpoint_environment(cell, role), sidecar_environment(cell, role))
        for role in ROLES
    }


class Bench:
    def __init__(self, folder: Path) -> None:
        self.engine = FakeEngine()
        self.folder = folder
        self.outcome = CellOutcome()
        self.observer = Silent()
        for role in ROLES:
            (folder / role).mkdir()

    def run(self, **changes: Any) -> CellOutcome:
        options = {"deadline_s": 30.0, "keep": "never", "tun": lambda: True} | changes
        clock = options.pop("clock", time.monotonic)
        cell = CellRun(self.engine, self.folder, self.observer, self.outcome, clock=clock)
        cell.run(
            self.engine, ResourceLabels("r", "c", OWNER), endpoints(), "netem", options.pop("deadline_s"), **options
        )
        return self.outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_complete_cell(bench: Bench) -> None:
    bench.engine.files["client"] = {"capture.pcap": b"frames", "endpoint/events.csv": b"op\n"}
    outcome = bench.run()
    assert outcome.failure is None
    assert {role: ending.exit_code for role, ending in outcome.exits.items()} == {"client": 0, "server": 0}
    assert outcome.notes == []
    assert bench.engine.resources == {}
    assert (bench.folder / "client" / "capture.pcap").read_bytes() == b"frames"
    assert (bench.folder / "client" / "events.csv").read_bytes() == b"op\n"
    assert (bench.folder / "client" / "stdout.log").read_text().endswith("Data sent\n")
    assert (bench.folder / "server" / "stdout.log").read_text() == "Ending connection\n"
    assert '"ready"' in (bench.folder / "server" / "netem.jsonl").read_text()
    assert set(outcome.sidecars["client"]) == {"link", "verified", "stopped"}
    assert bench.observer.phases == list(outcome.phases_s) == ["link", "verify", "transfer", "collect"]


def test_the_link_starts_before_the_endpoint_and_the_server_before_the_client(bench: Bench) -> None:
    bench.run()
    starts = [line for line in bench.engine.journal if line.startswith("start")]
    assert set(starts) == {"start server-netem", "start client-netem", "start server", "start client"}
    assert starts.index("start server") > starts.index("start server-netem")
    assert starts[-1] == "start client"


def test_least_privilege(bench: Bench) -> None:
    bench.run()
    specs = {role: process.spec for role, process in bench.engine.processes.items()}
    assert specs["client"].capabilities == specs["server"].capabilities == ()
    assert specs["client"].joins == "id-testbed-r-c-client-netem"
    assert specs["client-netem"].capabilities == ("NET_ADMIN", "NET_RAW", "SYS_NICE")
    assert specs["client-netem"].cpu_shares > 1024
    assert specs["client"].cpu_shares == 0
    assert specs["client-netem"].network == specs["server-netem"].network == "testbed-r-c-link"
    assert specs["client-netem"].volume == specs["client"].volume


def test_a_server_that_dies_early_shows_its_last_lines(bench: Bench) -> None:
    def dies(process: FakeProcess) -> None:
        process.write("cannot bind\n", "stderr")
        process.exit(1)

    bench.engine.scripts["server"] = dies
    outcome = bench.run()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.role) == ("endpoint", "server")
    assert outcome.failure.message == "the server exited with code 1; its last lines:\n  cannot bind"
    assert "start client" not in bench.engine.journal
    assert bench.engine.resources == {}
    assert (bench.folder / "server" / "stderr.log").read_text() == "cannot bind\n"


def test_the_exit_of_the_server_is_the_root_cause_also_when_the_client_exits_first(bench: Bench) -> None:
    def refused(process: FakeProcess) -> None:
        process.write("connection reset\n", "stderr")
        process.exit(1)
        process.engine.running("server").exit(139)

    bench.engine.scripts["client"] = refused
    outcome = bench.run()
    assert outcome.failure is not None
    assert outcome.failure.message == "the server exited with code 139 (it printed nothing)"


def test_a_sidecar_that_kills_its_endpoint_is_the_root_cause(bench: Bench) -> None:
    def dies(process: FakeProcess) -> None:
        process.exit(137)
        process.engine.running("client-netem").emit("error", attempt="forward frames", message="dead", hint="again")
        process.engine.running("client-netem").exit(1)

    bench.engine.scripts["client"] = dies
    outcome = bench.run()
    assert outcome.failure is not None
    assert outcome.failure.kind == "environment"
    assert outcome.failure.message == "the sidecar of the client: forward frames: dead"
    assert outcome.failure.hint == "again"


@pytest.mark.parametrize(("moment", "role"), [("transferring", "client"), ("stopping", "server")])
def test_an_error_of_a_sidecar_that_keeps_running_is_never_a_success(bench: Bench, moment: str, role: str) -> None:
    def report(process: FakeProcess) -> None:
        process.engine.running(f"{role}-netem").emit("error", attempt="forward frames", message="open", hint="again")

    def transfers(process: FakeProcess) -> None:
        if moment == "transferring":
            report(process)
        client(process)

    def stops(process: FakeProcess) -> None:
        report(process)
        process.exit(0)

    def serves(process: FakeProcess) -> None:
        server(process)
        if moment == "stopping":
            process.on_signal["SIGTERM"] = stops

    bench.engine.scripts |= {"client": transfers, "server": serves}
    bench.engine.files["client"] = {"capture.pcap": b"frames"}
    outcome = bench.run()
    assert outcome.failure is not None
    assert outcome.failure.kind == "environment"
    assert outcome.failure.message == f"the sidecar of the {role}: forward frames: open"
    assert (bench.folder / "client" / "capture.pcap").exists()


def test_a_client_that_fails_beside_a_healthy_server(bench: Bench) -> None:
    bench.engine.scripts["client"] = lambda process: process.exit(137, oom_killed=True)
    outcome = bench.run()
    assert outcome.failure is not None
    assert outcome.failure.message == "the client was OOM-killed (it printed nothing)"
    assert outcome.exits["client"].oom_killed
    assert outcome.exits["server"].exit_code == 0


def test_the_error_of_a_sidecar_has_its_hint(bench: Bench) -> None:
    def cannot(process: FakeProcess) -> None:
        process.emit("error", attempt="open /dev/net/tun", message="No such file", hint="modprobe tun")
        process.exit(1)

    bench.engine.scripts["client-netem"] = cannot
    outcome = bench.run()
    assert outcome.failure is not None
    assert outcome.failure.kind == "environment"
    assert outcome.failure.message == "the sidecar of the client: open /dev/net/tun: No such file"
    assert outcome.failure.hint == "modprobe tun"


def test_a_sidecar_that_crashes_shows_its_last_lines(bench: Bench) -> None:
    def crashes(process: FakeProcess) -> None:
        process.write("Traceback\nKeyError\n", "stderr")
        process.exit(1)

    bench.engine.scripts["server-netem"] = crashes
    outcome = bench.run()
    assert outcome.failure is not None
    assert outcome.failure.message == "the sidecar of the server: it exited with code 1\n  Traceback\n  KeyError"


def test_a_time_out_stops_everything_and_still_collects(bench: Bench) -> None:
    def forever(process: FakeProcess) -> None:
        process.on_signal["SIGTERM"] = lambda process: process.exit(143)

    bench.engine.scripts["client"] = forever
    bench.engine.files["server"] = {"sockets.csv": b"1\n"}
    outcome = bench.run(deadline_s=0.0)
    assert outcome.failure is not None
    assert outcome.failure.kind == "timeout"
    assert outcome.failure.message.startswith("waited 0 s for the client to exit; ")
    assert "--timeout" in outcome.failure.hint
    assert outcome.exits["client"].exit_code == 143
    assert (bench.folder / "server" / "sockets.csv").read_bytes() == b"1\n"
    assert bench.engine.resources == {}


def test_the_server_is_stopped_only_when_no_connection_is_left(bench: Bench) -> None:
    requested: list[list[str]] = []

    def report_idle(process: FakeProcess) -> None:
        requested.append(list(process.engine.running("server").signals))
        process.emit("idle")

    def early(process: FakeProcess) -> None:
        process.engine.running("server-netem").on_signal["SIGUSR1"] = report_idle
        process.exit(0)

    bench.engine.scripts["client"] = early
    assert bench.run().failure is None
    assert requested == [[]]
    assert bench.engine.running("server").signals == ["SIGTERM"]


def test_a_connection_that_never_ends_is_a_time_out(bench: Bench) -> None:
    """The clock stands still until the sidecar is asked whether it is idle, and has then reached any deadline."""
    times_s = [0.0]

    def clock() -> float:
        return times_s.pop(0) if len(times_s) > 1 else times_s[0]

    def gone(process: FakeProcess) -> None:
        process.engine.running("server-netem").on_signal["SIGUSR1"] = lambda _process: times_s.append(3600.0)
        process.exit(0)

    bench.engine.scripts["client"] = gone
    outcome = bench.run(deadline_s=20.0, clock=clock)
    assert outcome.failure is not None
    assert outcome.failure.message.startswith("waited 20 s ")
    assert "for the last connection to end" in outcome.failure.message


def test_an_interruption_removes_everything_and_keeps_the_logs(bench: Bench) -> None:
    bench.engine.fail_on["start client"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    assert bench.engine.resources == {}
    assert '"ready"' in (bench.folder / "client" / "netem.jsonl").read_text()
    assert bench.engine.running("server").signals == ["SIGTERM"]


@pytest.mark.parametrize("what", ["create network", "create volume client", "create server-netem"])
def test_what_was_made_before_a_failure_is_removed(bench: Bench, what: str) -> None:
    bench.engine.fail_on[what] = HostError(f"{what}: no")
    with pytest.raises(HostError, match=what):
        bench.run()
    assert bench.engine.resources == {}


@pytest.mark.parametrize("role", ["client", "server"])
def test_an_endpoint_that_cannot_be_made_ends_a_cell_under_way(bench: Bench, role: str) -> None:
    bench.engine.fail_on[f"create {role}"] = HostError(f"create {role}: no")
    outcome = bench.run()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.message) == ("environment", f"create {role}: no")
    assert bench.engine.resources == {}
    assert "start server" not in bench.engine.journal


def test_a_sidecar_is_stopped_as_soon_as_its_endpoint_has_exited(bench: Bench) -> None:
    order: list[str] = []

    def stopping(role: str) -> Script:
        script = bench.engine.scripts[role]

        def start(process: FakeProcess) -> None:
            script(process)
            stop = process.on_signal["SIGTERM"]

            def signalled(process: FakeProcess) -> None:
                order.append(role)
                stop(process)

            process.on_signal["SIGTERM"] = signalled

        return start

    for role in ("server", "server-netem", "client-netem"):
        bench.engine.scripts[role] = stopping(role)
    assert bench.run().notes == []
    assert order == ["client-netem", "server", "server-netem"]


def test_other_work_is_done_while_the_sidecars_start(bench: Bench) -> None:
    requested: list[list[str]] = []
    cell = CellRun(
        bench.engine,
        bench.folder,
        bench.observer,
        bench.outcome,
        while_waiting=lambda: requested.append(list(bench.observer.phases)),
    )
    cell.run(bench.engine, ResourceLabels("r", "c", OWNER), endpoints(), "netem", 30.0, keep="never", tun=lambda: True)
    assert requested == [["link"]]


def test_an_interruption_while_creating_leaves_nothing(bench: Bench) -> None:
    bench.engine.fail_on["create client"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    assert bench.engine.resources == {}


def test_a_failed_removal_is_noted_and_does_not_stop_the_others(bench: Bench) -> None:
    bench.engine.fail_on["remove container server"] = HostError("remove container: busy")
    outcome = bench.run()
    assert outcome.notes == ["left behind: remove container: busy"]
    assert list(bench.engine.resources) == [("container", "testbed-r-c-server")]


def test_a_lost_engine_is_noted_once(bench: Bench) -> None:
    for what in ("remove network link", "remove volume client", "remove container client", "remove container server"):
        bench.engine.fail_on[what] = EngineLostError(f"{what}: gone", hint="start it")
    outcome = bench.run()
    assert outcome.notes == ["the rest could not be collected or removed; hint: start it"]
    assert outcome.left


@pytest.mark.parametrize(
    ("keep", "fails", "kept"), [("always", False, True), ("failed", True, True), ("failed", False, False)]
)
def test_keep(bench: Bench, keep: str, fails: bool, kept: bool) -> None:
    if fails:
        bench.engine.scripts["client"] = lambda process: process.exit(1)
    outcome = bench.run(keep=keep)
    assert outcome.kept is kept
    assert bool(bench.engine.resources) is kept


def test_progress_reaches_the_observer(bench: Bench) -> None:
    def transfers(process: FakeProcess) -> None:
        process.engine.running("client-netem").emit("progress", bytes_written=500, bytes_read=0, connections=1)
        process.engine.running("server-netem").emit("progress", bytes_written=0, bytes_read=200, connections=1)
        process.engine.running("server-netem").emit("idle")
        process.exit(0)

    bench.engine.scripts["client"] = transfers
    bench.run()
    assert bench.observer.transferred[-1] == (500, 200)


def test_a_program_that_ignores_sigterm_is_killed_and_that_is_noted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbed.run.cell.STOP_S", 0.0)

    def deaf(process: FakeProcess) -> None:
        process.engine.running("server-netem").emit("listening", families=["ipv4"])

    bench.engine.scripts["server"] = deaf
    outcome = bench.run()
    assert "server did not exit within 0 s of SIGTERM" in outcome.notes
    assert outcome.exits["server"].exit_code == 137
