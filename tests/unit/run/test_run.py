import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.errors import ContractError, HostError
from testbed.evaluation import cell
from testbed.ownership import KEEP, RUN, Owner, labels, this_process
from testbed.result import Result
from testbed.run.cell import Keep
from testbed.run.executor import Attempt
from testbed.run.machines import Machine
from testbed.run.run import Run, RunReport
from testbed.run.site import LocalSite
from testbed.scenario.expand import Scenario, expand
from testbed.stack.images import DOCKERFILES, Images
from testbed.stack.ports import Found, Image
from testbed.vm.errors import GuestError
from tests.support.fake_engine import FakeEngine, FakeProcess


class Observer:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.ends: list[str] = []

    def phase(self, attempt: Attempt, name: str) -> None: ...

    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None: ...

    def begin(self, attempt: Attempt, number: int, count: int) -> None: ...

    def end(self, attempt: Attempt, result: Result) -> None:
        self.ends.append(f"{result.cell} {result.status}")

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


class Bench:
    def __init__(self, folder: Path) -> None:
        checkout = folder / "checkout"
        for name in DOCKERFILES.values():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_text("FROM base\n")
        self.engine = FakeEngine()
        self.observer = Observer()
        self.output = folder / "runs"
        self.images = Images(self.engine, lambda _line: None, checkout)

    def run(self, *, keep: Keep = "never", **fields: object) -> RunReport:
        version = {"KernelVersion": "6"}
        site = LocalSite(self.engine, self.images, self.observer, keep=keep, engine_version=version)
        return Run(site, self.observer, output=self.output).run(
            Scenario("test", "", tuple(expand({"nodes": 1, "content": 0} | fields)))
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_run_leaves_its_documents_and_nothing_else(bench: Bench) -> None:
    report = bench.run(family=["ipv4", "ipv6"])
    assert [result.status for result in report.results] == ["failed", "failed"]  # the fake server prints no nodes
    assert all("the server's output: line 1 is" in result.reason for result in report.results)
    facts = json.loads((report.folder / "run.json").read_text())
    assert facts["kernel"] == "6"
    assert facts["engines"] == ["none"]
    assert len(facts["cells"]) == 2
    assert (bench.output / "latest").resolve() == report.folder.resolve()
    assert len((report.folder / "results.csv").read_text().splitlines()) == 3
    assert (report.folder / "junit.xml").exists()
    for result in report.results:
        folder = report.folder / result.cell
        assert json.loads((folder / "result.json").read_text()) == result.model_dump()
        assert json.loads((folder / "cell.json").read_text())["run"] == report.run
    assert bench.engine.resources == {}
    assert len(bench.observer.ends) == 2


def test_both_cells_of_a_pair_are_judged_with_their_twin(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    analyse = cell.analyse

    def judge(path: Path, twins: list[Path]) -> Result:
        judged.append(path.name)
        existing = sorted(found.parent.name for found in path.parent.glob("*/result.json"))
        return analyse(path, twins).model_copy(update={"verdict": " ".join(existing)})

    monkeypatch.setattr(cell, "analyse", judge)
    report = bench.run(family=["ipv4", "ipv6"], nodes=[1, 2], chunk=[1, 2])
    assert len(judged) == 8 + 4  # four cells were judged before their twins were there
    for result in report.results:
        requested = result.requested | {"family": {"ipv4": "ipv6", "ipv6": "ipv4"}[result.requested["family"]]}
        twin = next(other.cell for other in report.results if other.requested == requested)
        assert twin in result.verdict
        assert json.loads((report.folder / result.cell / "result.json").read_text()) == result.model_dump()


def test_images_are_built_once(bench: Bench) -> None:
    bench.run(client=["py", "c"])
    assert sorted(tag.partition(":")[0] for tag in bench.engine.built) == [
        "testbed-client",
        "testbed-cserver",
        "testbed-netem",
        "testbed-server",
    ]
    bench.run(client=["py", "c"])
    assert len(bench.engine.built) == 4


def test_a_cell_that_cannot_be_created_does_not_stop_the_others(bench: Bench) -> None:
    bench.engine.fail_on["create network"] = HostError("create network: no addresses")
    report = bench.run(family=["ipv4", "ipv6"])
    assert [result.status for result in report.results] == ["error", "error"]
    assert report.results[0].reason == "create network: no addresses"


def with_devices(bench: Bench) -> list[bool]:
    """Return whether each sidecar of the client was created with a device, in order."""
    found: list[bool] = []
    original = bench.engine.scripts["client-netem"]

    def start(process: FakeProcess) -> None:
        found.append(bool(process.spec.devices))
        original(process)

    bench.engine.scripts["client-netem"] = start
    return found


@pytest.mark.parametrize("tun", [True, False])
def test_the_tun_device_is_probed_once_before_the_first_cell(bench: Bench, tun: bool) -> None:
    bench.engine.tun = tun
    devices = with_devices(bench)
    report = bench.run(family=["ipv4", "ipv6"])
    starts = [line for line in bench.engine.journal if line.startswith("start")]
    assert starts.index("start tun") == 0
    assert starts.count("start tun") == 1
    assert starts.count("start client-netem") == 2, "no cell is repeated"
    assert devices == [tun, tun]
    assert [result.status for result in report.results] == ["failed", "failed"]
    note = "this machine has no /dev/net/tun, so the user emulation engine is unavailable"
    assert bench.observer.notes == ([] if tun else [note])


def test_a_device_of_this_host_needs_no_probe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.run.local.has_device", lambda *_: True)
    devices = with_devices(bench)
    bench.run()
    assert "start tun" not in bench.engine.journal
    assert devices == [True]


def test_an_engine_that_cannot_start_the_probe_fails_the_cell(bench: Bench) -> None:
    bench.engine.fail_on["start tun"] = HostError("start x: no space left on device")
    (result,) = bench.run().results
    assert (result.status, result.reason) == ("error", "start x: no space left on device")
    assert bench.engine.resources == {}


def test_a_lost_engine_does_not_hide_the_failure(bench: Bench) -> None:
    def gone(_label: str) -> list[Found]:
        raise HostError("list: no such socket")

    def goes(process: FakeProcess) -> None:
        for kind in ("container client", "container server", "container client-netem", "container server-netem"):
            bench.engine.fail_on[f"remove {kind}"] = HostError("remove: no such socket")
        bench.engine.find = gone  # type: ignore[method-assign]
        process.exit(1)

    bench.engine.scripts["client"] = goes
    report = bench.run()
    assert report.results[0].reason == "the client exited with code 1 (it printed nothing)"
    assert bench.observer.notes == ["left behind: list: no such socket; `testbed clean` removes it"]


def test_a_disk_that_fills_up_leaves_nothing_in_the_engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _document: object) -> None:
        raise HostError(f"write {path.name}: No space left on device")

    monkeypatch.setattr("testbed.run.local.write_json", full)
    monkeypatch.setattr("testbed.run.folder.write_json", lambda path, _: full(path, _) if path.exists() else None)
    with pytest.raises(HostError, match=r"write cell\.json"):
        bench.run()
    assert bench.engine.resources == {}


def test_an_interruption_writes_the_result_and_is_raised(bench: Bench) -> None:
    bench.engine.fail_on["start client"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.run(family=["ipv4", "ipv6"])
    run = (bench.output / "latest").resolve()
    results = list(run.glob("*/result.json"))
    assert len(results) == 1
    assert json.loads(results[0].read_text())["reason"] == "the run was interrupted"
    assert (run / "results.csv").exists()
    assert bench.observer.notes == [f"the raw files collected so far are in {run}"]
    assert bench.engine.resources == {}


def test_resources_of_dead_runs_are_removed_and_no_others(bench: Bench) -> None:
    me = this_process()
    dead = Owner(me.host, me.boot, me.pid, me.start_ticks + 1)
    elsewhere = Owner("other.1", "boot", 1, 1)
    bench.engine.create_volume("dead", labels("old", "c", "client", dead))
    bench.engine.create_volume("elsewhere", labels("far", "c", "client", elsewhere))
    bench.engine.create_volume("kept", labels("looked at", "c", "client", dead, keep=True))
    bench.engine.create_volume("mine", labels("now", "c", "client", me))
    bench.run()
    assert sorted(name for _, name in bench.engine.resources) == ["elsewhere", "kept", "mine"]
    assert bench.observer.notes == ["removed 1 leftover of old, whose process has ended"]


def test_kept_resources_have_the_label(bench: Bench) -> None:
    bench.run(keep="always")
    kept = bench.engine.find(RUN)
    assert {found.handle.kind for found in kept} == {"container", "volume", "network"}
    assert all(found.labels[KEEP] for found in kept)


def test_an_image_that_is_not_ours_is_checked_first(bench: Bench) -> None:
    bench.engine.images["an/image"] = Image("sha256:1", ("an/image",), "app")
    bench.engine.scripts["contract"] = lambda process: process.exit(127)
    report = bench.run(client="an/image", server="an/image")
    assert [line for line in bench.engine.journal if line == "start contract"] == ["start contract"]
    assert bench.engine.processes["client"].spec.user == ""
    assert report.results[0].status == "passed"
    bench.engine.scripts["contract"] = lambda process: process.exit(0)
    with pytest.raises(ContractError):
        bench.run(client="an/image")


def test_an_unknown_image(bench: Bench) -> None:
    with pytest.raises(ContractError, match="no such image: 'no/such'"):
        bench.run(server="no/such")
    assert not bench.output.exists()


class FakeMachines:
    """The same engine under each kernel but sid, which does not boot."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.requested: list[str] = []
        self.retired: list[str] = []
        self.machines: dict[str, Machine] = {}
        self.failure: GuestError | None = None

    def retire(self, kernel: str) -> None:
        self.retired.append(kernel)

    def cancel_boots(self) -> None: ...

    @contextmanager
    def lease(self, kernel: str, _tags: object) -> Iterator[Machine]:
        self.requested.append(kernel)
        if kernel == "sid":
            raise GuestError("find the kernel sid", "Debian does not offer it now", hint="Choose another.")
        facts = {"kernel": kernel, "accelerator": "tcg", "emulated": True} if kernel != "host" else {}
        yield self.machines.setdefault(kernel, Machine(self.engine, facts, lambda: self.failure if facts else None))


def run_at(bench: Bench, machines: FakeMachines, keep: Keep = "never", **fields: object) -> RunReport:
    site = LocalSite(bench.engine, bench.images, bench.observer, keep=keep, machines=machines)
    return Run(site, bench.observer, output=bench.output).run(
        Scenario("test", "", tuple(expand({"nodes": 1, "content": 0} | fields)))
    )


def test_cells_are_grouped_by_kernel(bench: Bench) -> None:
    machines = FakeMachines(bench.engine)
    report = run_at(bench, machines, family=["ipv4", "ipv6"], kernel=["host", "bookworm", "sid"])
    assert machines.requested == ["host", "host", "bookworm", "bookworm", "sid", "sid"]
    assert machines.retired == ["host", "bookworm", "sid"]
    results = report.results
    kernels = ["host", "bookworm", "sid"] * 2
    assert [result.requested["kernel"] for result in results] == kernels, "in the order of the scenario"
    assert [result.emulated for result in results] == [kernel == "bookworm" for kernel in kernels]
    assert results[1].machine["kernel"] == "bookworm"
    assert [result.status for result in results] == ["failed", "failed", "error"] * 2
    assert "does not offer it" in results[2].reason


def test_each_machine_is_probed_for_tun(bench: Bench) -> None:
    host, guest = FakeEngine(tun=False), bench.engine
    machines = FakeMachines(guest)
    machines.machines["host"] = Machine(host)
    devices = with_devices(bench)
    run_at(bench, machines, family=["ipv4", "ipv6"], kernel=["host", "bookworm"])
    assert devices == [True, True]
    assert not host.running("client-netem").spec.devices
    assert [engine.journal.count("start tun") for engine in (host, guest)] == [1, 1]


def test_keep_has_no_effect_in_a_guest(bench: Bench) -> None:
    kept = run_at(bench, FakeMachines(bench.engine), keep="always", kernel="bookworm")
    assert not kept.kept
    assert bench.engine.resources == {}
    assert "--keep has no effect in a guest VM" in bench.observer.notes[0]
    assert run_at(bench, FakeMachines(bench.engine), keep="always", kernel=["bookworm", "host"]).kept


def test_programs_in_an_emulated_guest_get_more_time(bench: Bench) -> None:
    run_at(bench, FakeMachines(bench.engine), kernel="bookworm")
    existing = bench.engine.processes["client-netem"].spec.environment
    bench.run()
    here = bench.engine.processes["client-netem"].spec.environment
    assert int(existing["NETEM_DEADLINE_S"]) > int(here["NETEM_DEADLINE_S"])


def test_the_failure_of_a_guest_replaces_all_others(bench: Bench) -> None:
    """Other errors of the cell, and what could not be removed, are gone with the guest."""
    machines = FakeMachines(bench.engine)
    for attempt in ("start client", "remove volume client"):
        bench.engine.fail_on[attempt] = HostError(f"{attempt}: connection refused")
    (result,) = run_at(bench, machines, kernel="bookworm").results
    assert (result.reason, len(result.notes)) == ("start client: connection refused", 1)
    machines.failure = GuestError("run a cell with kernel 6.1", "the guest has ended", console=["Kernel panic"])
    (result,) = run_at(bench, machines, kernel="bookworm").results
    assert result.status == "error"
    assert result.reason == "run a cell with kernel 6.1: the guest has ended; its last lines:\n  Kernel panic"
    assert result.notes == []


@pytest.mark.parametrize("attempt", ["create", "start"])
@pytest.mark.parametrize("keep", ["never", "always"])
def test_a_cell_that_requires_real_time_fails_where_the_engine_refuses_it(
    bench: Bench, attempt: str, keep: Keep
) -> None:
    bench.engine.refuses_capability = attempt
    report = bench.run(keep=keep, realtime=["auto", "require", "off"])
    assert [result.status for result in report.results] == ["failed", "error", "failed"]
    reason = "the container engine refuses the capability SYS_NICE: unable to apply caps: operation not permitted"
    assert report.results[1].reason == reason
    assert report.failures[1] is not None
    assert "--realtime auto" in report.failures[1].hint
    assert len(bench.observer.notes) == 1
    assert len(bench.engine.resources) == (14 if keep == "always" else 0)


def test_a_cell_without_real_time_requests_no_capability(bench: Bench) -> None:
    bench.engine.refuses_capability = "start"
    report = bench.run(realtime="off")
    assert report.results[0].status == "failed"
    assert bench.observer.notes == []


@pytest.mark.parametrize("attempt", ["create", "start"])
@pytest.mark.parametrize("keep", ["never", "always"])
def test_a_refused_capability_is_noted_once_and_the_cells_run_without_it(
    bench: Bench, attempt: str, keep: Keep
) -> None:
    bench.engine.refuses_capability = attempt
    report = bench.run(keep=keep, family=["ipv4", "ipv6"])
    assert [result.status for result in report.results] == ["failed", "failed"]  # the fake server prints no nodes
    assert [result.notes for result in report.results] == [[], []]
    reason = "unable to apply caps: operation not permitted"
    assert bench.observer.notes == [
        f"the container engine refuses the capability SYS_NICE: {reason}; cells run without it"
    ]
    assert bench.engine.journal.count("start client") == 2, "each cell transfers once"
    assert bench.engine.processes["client-netem"].spec.capabilities == ("NET_ADMIN", "NET_RAW")
    assert len(bench.engine.resources) == (14 if keep == "always" else 0)
