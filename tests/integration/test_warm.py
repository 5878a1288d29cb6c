"""Warm cells with Docker: the same results as fresh ones, and rigs that are not used again once something is left."""

import csv
import json
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.analysis.packets.capture import read_capture
from testbed.analysis.packets.flags import SYN
from testbed.compressed.expand import stored
from testbed.ownership import OWNER, ResourceLabels, this_process
from testbed.run.cell import CellOutcome, CellRun
from testbed.run.preparation import prepare_images
from testbed.run.rig import Rig
from testbed.scenario.ends import ROLES
from testbed.scenario.expand import Scenario, expand
from testbed.stack.docker_engine import DockerEngine
from testbed.stack.images import Images
from tests.integration.conftest import Command

pytestmark = pytest.mark.docker

LINKS: list[dict[str, Any]] = [
    {},
    {"latency": "5ms"},
    {"netem_client": "delay 3ms drop-list 5", "nodelay": True},
    {"netem_server": "delay 2ms rate 20mbit", "congestion": "reno", "initcwnd": 4},
]
"""Plain, both directions, one direction, metrics of the route: each cell must find none of the others' traces."""

SEED = 20261201


def scenario(family: str, tmp_path: Path) -> Path:
    """Write a scenario of all links with pairs of programs, in an order that the seed determines."""
    cells = [
        {"client": client, "server": server, "family": family, "nodes": 10, "chunk": "1k", **link}
        for client, server in (("py", "c"), ("c", "py"))
        for link in LINKS
    ]
    random.Random(f"{SEED} {family}").shuffle(cells)
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump({"cells": cells}))
    return path


def results(command: Command, *arguments: str) -> dict[str, tuple[dict[str, Any], Path]]:
    """Run `matrix` and return the first attempt at each cell, with its folder."""
    done = command("matrix", "--no-again", *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    folder = command.output / command.runs()[-1]
    found = [(json.loads(path.read_text()), path.parent) for path in folder.glob("*/result.json")]
    return {result["cell"]: (result, path) for result, path in found if result["attempt"] == 1}


def determined(result: dict[str, Any]) -> dict[str, Any]:
    """Return what the protocol and the scenario determine of a result, whatever the machine does."""
    link_keys = ("engine", "reason", "requested", "route", "sysctls", "changes")
    return {
        "status": result["status"],
        "checks": [(check["name"], check["ok"]) for check in result["checks"]],
        "links": {role: {key: link[key] for key in link_keys} for role, link in result["link"].items()},
        "dropped": {role: (link["counters"] or {}).get("dropped_list") for role, link in result["link"].items()},
        "bytes": (result["metrics"]["bytes_written"], result["metrics"]["bytes_read"]),
        "opens": {
            role: (counters.get("TcpActiveOpens", 0), counters.get("TcpPassiveOpens", 0))
            for role, counters in result["kernel_counters"].items()
        },
        "notes": result["notes"],
    }


def only_connection(folder: Path, role: str) -> None:
    """Check that the raw files of an end have one connection, from its first SYN, and nothing of another cell."""
    path = stored(folder / role / "capture.pcap")
    assert path is not None
    capture = read_capture(path)
    (connection,) = capture.connections()
    assert connection.complete_handshake
    assert capture.facts.packets == len(connection.frames.tcp_flags)
    assert connection.frames.tcp_flags[0] == SYN
    with (folder / role / "sockets.csv").open() as file:
        assert len({row["cookie"] for row in csv.DictReader(file)}) == 1


def test_warm_cells_have_the_results_of_fresh_ones(command: Command, family: str, tmp_path: Path) -> None:
    path = str(scenario(family, tmp_path))
    fresh = results(command, path)
    warm = results(command, path, "--isolation", "warm")
    assert len(fresh) == len(warm) == 2 * len(LINKS)
    for cell, (result, folder) in warm.items():
        assert (result["isolation"], fresh[cell][0]["isolation"]) == ("warm", "fresh")
        assert determined(result) == determined(fresh[cell][0]), cell
        for role in ROLES:
            names = {each.name for each in (folder / role).iterdir()}
            assert names == {each.name for each in (fresh[cell][1] / role).iterdir()}
            only_connection(folder, role)


def inside(rig: str, *argv: str) -> str:
    """Run a command in the namespace of a sidecar."""
    done = subprocess.run(["docker", "exec", rig, *argv], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Lab:
    """A rig of its own and cells on it."""

    def __init__(self, engine: DockerEngine, images: Images, folder: Path, family: str) -> None:
        self.folder = folder
        planned = next(iter(expand({"client": "py", "server": "py", "family": family, "nodes": 2})))
        self.name = f"test-{secrets.token_hex(4)}"
        owner = this_process()
        prepared = prepare_images(engine, images, Scenario("warm", "", (planned,)), self.name, owner)
        self.specs = prepared.endpoints(planned, emulated=False, real_time=True)
        self.labels = ResourceLabels(self.name, "rig-1", owner)
        self.rig = Rig(engine, self.labels, self.specs, prepared.netem_tag, tun=True)
        self.sidecars = [f"testbed-{self.name}-rig-1-{role}-netem" for role in ROLES]

    def run(self) -> None:
        name = f"cell-{self.rig.cells}"
        for role in ROLES:
            (self.folder / name / role).mkdir(parents=True)
        outcome = CellOutcome()
        cell = self.rig.cell(ResourceLabels(self.name, name, self.labels.owner), self.specs)
        CellRun(cell, self.folder / name, _Silent(), outcome).run_on(cell.stack, 60, keep="never", real_time=False)
        assert outcome.failure is None
        assert outcome.notes == []


class _Silent:
    def phase(self, name: str) -> None: ...

    def progress(self, bytes_written: int, bytes_read: int) -> None: ...


@pytest.fixture
def lab(testbed_engine: DockerEngine, testbed_images: Images, tmp_path: Path, family: str) -> Iterator[Lab]:
    made = Lab(testbed_engine, testbed_images, tmp_path, family)
    yield made
    assert made.rig.close() == []


def traces(sidecar: str) -> str:
    """Return connections, neighbours, metrics of destinations, and files, as one text."""
    sockets = inside(sidecar, "ss", "-Htan", "state", "connected")
    peers = inside(sidecar, "ip", "neigh", "show", "dev", "eth0") + inside(sidecar, "ip", "tcp_metrics")
    return sockets + peers + inside(sidecar, "find", "/var/lib/testbed", "-type", "f")


def test_a_reset_leaves_no_trace(lab: Lab) -> None:
    for _ in range(2):
        lab.run()
        assert all("capture.pcap" in traces(sidecar) for sidecar in lab.sidecars)
        assert any("TIME-WAIT" in inside(sidecar, "ss", "-Htan") for sidecar in lab.sidecars)
        assert lab.rig.finish(reset=True) == []
        assert [traces(sidecar) for sidecar in lab.sidecars] == ["", ""]


def test_what_a_reset_does_not_know_is_found(lab: Lab) -> None:
    lab.run()
    inside(lab.sidecars[0], "ip", "tuntap", "add", "dev", "other0", "mode", "tap")
    assert lab.rig.finish(reset=True) == ["the device other0 is left"]


OF_USERS = """
import json
from pathlib import Path

import pytest
from testbed.ownership import OWNER, ROLE, this_process


def record(cell, engine):
    assert cell.result.status == "passed", cell.result.reason
    mine = engine.find(f"{OWNER}={this_process()}")
    rigs = sorted(found.handle.id for found in mine if found.labels[ROLE].endswith("-netem"))
    with Path(__file__).with_name("found.jsonl").open("a") as out:
        out.write(json.dumps([cell.result.isolation, rigs, str(this_process())]) + "\\n")


def test_one(testbed_cell, testbed_engine):
    record(testbed_cell(nodes=2), testbed_engine)


def test_two(testbed_cell, testbed_engine):
    record(testbed_cell(nodes=3, client="c", latency="2ms"), testbed_engine)


@pytest.mark.fresh
def test_of_its_own(testbed_cell, testbed_engine):
    record(testbed_cell(nodes=2), testbed_engine)
"""


def test_tests_share_a_rig_unless_they_are_marked(testbed_engine: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["testbed.pytest_plugin"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "test_it.py").write_text(OF_USERS)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--isolation", "warm"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [isolation for isolation, _, _ in lines] == ["warm", "warm", "fresh"]
    assert [len(rigs) for _, rigs, _ in lines] == [2, 2, 2]
    assert lines[0][1] == lines[1][1] == lines[2][1]
    assert testbed_engine.find(f"{OWNER}={lines[0][2]}") == []
