"""Interrupt a matrix of cells that run at the same time: results are written, and nothing is left."""

import json
import secrets
import signal
from pathlib import Path

import pytest

from testbed.compressed.expand import stored
from testbed.stack.docker_engine import DockerEngine
from tests.integration.conftest import START_S, Command
from tests.support.leftovers import belongings, left
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker

CELLS = 6
SLOW = """\
cells:
  nodes: 50
  delay: 1s
  family: [ipv4, ipv6]
  netem: ["", delay 3ms, delay 3ms 1us]
  engine: user
"""
ARGUMENTS = ("matrix", "-j", "4")


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    (tmp_path / "slow.yaml").write_text(SLOW)
    return str(tmp_path / "slow.yaml")


def transferring(command: Command) -> int:
    """Return how many cells have sent something."""
    logs = command.output.glob("*-*-*/*/server/netem.jsonl")
    return sum('"event":"progress"' in log.read_text() for log in logs if not log.parents[2].is_symlink())


def started(command: Command, scenario: str):
    """Start the matrix, wait until four cells transfer; all six together take half a minute."""
    process = command.start(*ARGUMENTS, scenario)
    wait_until(lambda: process.poll() is not None or transferring(command) == 4, START_S)
    assert process.poll() is None, process.communicate()
    return process


def test_ctrl_c_ends_all_cells_in_order(command: Command, scenario: str, testbed_engine: DockerEngine) -> None:
    mark = command.environment["TESTBED_TEST_MARK"] = secrets.token_hex(8)
    with started(command, scenario) as process:
        run = command.output / command.runs()[0]
        had = belongings(testbed_engine, run.name)
        assert had.taps >= 4
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=START_S)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    results = [json.loads(path.read_text()) for path in run.glob("*/result.json")]
    assert [(result["status"], result["reason"]) for result in results] == [("error", "the run was interrupted")] * 4
    for path in run.glob("*/client"):
        capture = stored(path / "capture.pcap")
        assert capture is not None
        assert capture.stat().st_size > 24
    assert len((run / "results.csv").read_text().splitlines()) == 1 + 4
    assert (run / "junit.xml").read_text().count("<testcase ") == 4
    assert len(json.loads((run / "run.json").read_text())["cells"]) == CELLS
    wait_until(lambda: not left(testbed_engine, [run.name], [had], f"TESTBED_TEST_MARK={mark}"), START_S)


@pytest.mark.alone("any other run removes the leftovers that it looks at")
def test_a_second_ctrl_c_ends_at_once_and_the_next_start_removes_what_is_left(
    command: Command, scenario: str, testbed_engine: DockerEngine
) -> None:
    mark = command.environment["TESTBED_TEST_MARK"] = secrets.token_hex(8)
    with started(command, scenario) as process:
        run = command.runs()[0]
        had = belongings(testbed_engine, run)
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        while "a second interruption ends them at once" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=START_S)
    assert process.returncode == 130
    assert "ended at once" in stderr
    assert run in command("clean").stdout
    wait_until(lambda: not left(testbed_engine, [run], [had], f"TESTBED_TEST_MARK={mark}"), START_S)
