"""Cells on the workers of a real Dask cluster: two worker processes on this machine, one of which is killed."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from testbed.ownership import OWNER, RUN, parse_owner
from testbed.stack.docker_engine import DockerEngine
from tests.integration.conftest import Command
from tests.support.waiting import wait_until

END_S = 60.0
"""A cell ends in order within seconds; the machine may be busy."""

SCENARIO = """
cells:
  nodes: 20
  chunk: [1k, 2k, 4k]
  family: [ipv4, ipv6]
  delay: 800ms
"""


def line_of(process: "subprocess.Popen[str]", pattern: str) -> "re.Match[str]":
    """Read standard error until a line matches."""
    assert process.stderr is not None
    read = []
    for line in process.stderr:
        read.append(line)
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"it ended before {pattern!r}: {''.join(read)}")


@dataclass
class Dask:
    """A scheduler and its workers; each process is ended by its own id."""

    folder: Path
    open: ExitStack
    address: str = ""
    workers: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def start(self, *arguments: str, ready: str) -> "tuple[subprocess.Popen[str], re.Match[str]]":
        argv = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
        process = subprocess.Popen(argv, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.open.callback(self.end, process)
        return process, line_of(process, ready)

    def scheduler(self) -> None:
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self.start("dask_scheduler", *options, ready=r"Scheduler at:\s+(tcp://\S+)")[1][1]

    def worker(self) -> None:
        options = ("--resources", "docker-slots=2", "--nthreads", "2", "--no-nanny", "--no-dashboard")
        scratch = ("--local-directory", str(self.folder / "scratch"))
        self.workers.append(self.start("dask_worker", self.address, *options, *scratch, ready="Registered to")[0])

    @staticmethod
    def end(process: "subprocess.Popen[str]") -> None:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    with ExitStack() as stack:
        made = Dask(tmp_path, stack)
        made.scheduler()
        yield made


def owners(engine: DockerEngine, run: str) -> set[int]:
    """Return the processes that own resources of a run."""
    found = (parse_owner(each.labels[OWNER]) for each in engine.find(f"{RUN}={run}"))
    return {owner.pid for owner in found if owner is not None}


def test_the_cells_of_a_killed_worker_run_elsewhere(
    dask: Dask, command: Command, testbed_engine: DockerEngine, tmp_path: Path
) -> None:
    dask.worker()
    dask.worker()
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    with command.start("matrix", str(scenario), "--dask", dask.address, "--no-again", "-v") as client:
        for _ in range(4):
            line_of(client, "transferring$")
        run = command.runs()[-1]
        killed, survivor = dask.workers
        assert owners(testbed_engine, run) == {killed.pid, survivor.pid}
        killed.send_signal(signal.SIGKILL)
        stdout, stderr = client.communicate(timeout=120)
    assert client.returncode == 0, stdout + stderr
    assert "6 cells: 6 passed" in stdout
    lines = [json.loads(line) for line in (command.output / run / "results.jsonl").read_text().splitlines()]
    assert Counter(line["status"] for line in lines) == {"passed": 6}
    assert len({line["folder"] for line in lines}) == 6
    # Removed by the survivor, or by a run of another test that began meanwhile.
    assert owners(testbed_engine, run) == set()
    document = json.loads((command.output / run / "run.json").read_text())
    for line in lines:
        assert document["machines"][line["machine_name"]]["kernel"]


def test_the_cells_of_a_killed_client_end(
    dask: Dask, command: Command, testbed_engine: DockerEngine, tmp_path: Path
) -> None:
    dask.worker()
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO.replace("800ms", "30s"))
    with command.start("matrix", str(scenario), "--dask", dask.address, "-v") as client:
        line_of(client, "transferring$")
        run = command.runs()[-1]
        assert owners(testbed_engine, run) == {dask.workers[0].pid}
        client.kill()
        client.communicate()
    wait_until(lambda: not owners(testbed_engine, run), END_S)
    assert dask.workers[0].poll() is None, "the worker itself continues"


def test_a_worker_without_slots_and_an_unreachable_scheduler_are_errors(command: Command, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    found = command("matrix", str(scenario), "--dask", "tcp://127.0.0.1:1")
    assert found.returncode == 3
    assert "connect to the Dask scheduler at tcp://127.0.0.1:1" in found.stderr
    found = command("matrix", str(scenario), "--dask", str(tmp_path / "missing.json"))
    assert found.returncode == 2
    assert "neither an address nor a scheduler file" in found.stderr
