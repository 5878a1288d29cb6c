"""The emulation engine is killed during a cell: an error with its reason, and the measurements are kept."""

import json

import docker
import pytest

from tests.integration.conftest import START_S, Command
from tests.support.sidecar import kill_engine
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker

NODES, SIZE_BYTES = 200, 200 * (276 + 1000) + 4
ARGUMENTS = (
    "--engine",
    "user",
    "--probes",
    "0",
    "--latency",
    "50ms",
    "--nodes",
    str(NODES),
    "--chunk",
    "10k",
    "--delay",
    "400ms",
)
"""32 reads with read delays, 13 s: a busy machine can start the killing program in that time."""


def kill_while_transferring(command: Command, role: str, *arguments: str) -> tuple[int, str]:
    """Run a cell, kill the engine of one end once bytes have arrived; return its exit code and output."""
    client = docker.from_env()
    with command.start("run", *ARGUMENTS, *arguments) as process:
        wait_until(lambda: process.poll() is not None or bytes_have_arrived(command), START_S)
        assert process.poll() is None, process.communicate()
        labels = [f"testbed.run={command.runs()[0]}", f"testbed.role={role}-netem"]
        kill_engine(client.containers.list(filters={"label": labels})[0])
        stdout, stderr = process.communicate(timeout=START_S)
    client.close()
    return process.returncode, stdout + stderr


def bytes_have_arrived(command: Command) -> bool:
    """Return whether the server's sidecar has reported received bytes."""
    events = "".join(path.read_text() for path in command.output.glob("*-*-*/*/server/netem.jsonl"))
    return '"event":"progress"' in events


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_closed_link_ends_the_cell(command: Command, role: str) -> None:
    code, output = kill_while_transferring(command, role)
    assert code == 3, output
    result = command.result()
    assert result["status"] == "error"
    assert "the emulation engine died; the link is closed from now on" in result["reason"]
    assert role in result["reason"]
    link = json.loads((command.cell() / role / "link.json").read_text())
    assert [error["attempt"] for error in link["errors"]] == ["forward frames"]
    assert (command.cell() / role / "capture.pcap").stat().st_size > 24


def test_an_open_link_forwards_what_follows_and_the_cell_is_an_error(command: Command) -> None:
    code, output = kill_while_transferring(command, "client", "--on-engine-death", "open")
    assert code == 3, output
    result = command.result()
    assert result["status"] == "error"
    assert "the emulation engine died; the link is open from now on" in result["reason"]
    assert result["metrics"]["bytes_read"] == SIZE_BYTES
