"""Cells of a matrix at the same time: beside each other, interrupted, and with an engine that is lost in between."""

import json
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from testbed.compressed.expand import stored
from testbed.stack.docker_engine import DockerEngine
from tests.integration.conftest import START_S, Command
from tests.support.engine_proxy import engine_proxy

pytestmark = pytest.mark.docker

SLOW = "cells: {nodes: [100, 101], delay: 1s, timeout: 5m}\n"
SHORT = "cells: {nodes: [20, 21, 22], content: 1000, delay: 1s}\n"
"""Three reads with delays: each transfer takes three seconds, longer than the others need to be set up."""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    return tmp_path / "scenario.yaml"


def results(command: Command) -> dict[str, dict[str, Any]]:
    """Return the results of the newest run by folder."""
    run = command.output / command.runs()[-1]
    return {path.parent.name: json.loads(path.read_text()) for path in run.glob("*/result.json")}


def wait_for(process: Popen[str], line: str, times: int) -> None:
    assert process.stderr is not None
    seen = 0
    while seen < times:
        read = process.stderr.readline()
        assert read, f"it ended before {line!r}"
        seen += line in read


def test_cells_at_the_same_time(command: Command, scenario: Path, testbed_engine: DockerEngine) -> None:
    scenario.write_text(SHORT)
    done = command("matrix", str(scenario), "-j", "3", "--no-again", "--order", "random:7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 cells: 3 passed" in done.stdout
    found = results(command)
    assert len(found) == 3
    assert max(result["concurrent_cells"] for result in found.values()) == 3
    assert len({result["machine_name"] for result in found.values()}) == 1
    assert testbed_engine.find(f"testbed.run={command.runs()[-1]}") == []


def test_ctrl_c_ends_all_running_cells_in_order(command: Command, scenario: Path, testbed_engine: DockerEngine) -> None:
    scenario.write_text(SLOW)
    with command.start("matrix", str(scenario), "-v", "-j", "2") as process:
        wait_for(process, ": transferring", 2)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=START_S)
    assert process.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "testbed: interrupted"
    found = results(command)
    assert [result["reason"] for result in found.values()] == ["the run was interrupted"] * 2
    run = command.output / command.runs()[-1]
    for name in found:
        assert stored(run / name / "client" / "capture.pcap") is not None
    assert len((run / "results.csv").read_text().splitlines()) == 3
    assert (run / "junit.xml").exists()
    assert testbed_engine.find(f"testbed.run={run.name}") == []


def test_a_run_continues_after_the_engine_has_restarted(
    command: Command, scenario: Path, tmp_path: Path, testbed_engine: DockerEngine
) -> None:
    """The cell that runs is an error, the next one waits for the engine, and the first one is repeated."""
    scenario.write_text("cells: {nodes: [20, 21], content: 1000, delay: 1s}\n")
    with engine_proxy(tmp_path) as first:
        command.environment["DOCKER_HOST"] = first.address
        with command.start("matrix", str(scenario), "-v") as process:
            wait_for(process, ": transferring", 1)
            first.stop()
            with engine_proxy(tmp_path):
                stdout, stderr = process.communicate(timeout=START_S)
    assert process.returncode == 0, stdout + stderr
    found = results(command)
    (lost,) = [result for result in found.values() if result["status"] == "error"]
    assert lost["failure"]["kind"] == "environment"
    assert found[f"{lost['cell']}.a2"]["status"] == "passed"
    assert f"flaky: {lost['cell']}: error, then passed alone" in stdout
    assert testbed_engine.find(f"testbed.run={command.runs()[-1]}") == []
