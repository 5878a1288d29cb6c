"""Run cells with Docker: the requested link, the slow reader, the run folder, least privilege."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from testbed.pytest_plugin import CellShown
from testbed.result import result_schema
from testbed.stack.docker_engine import DockerEngine
from tests.integration.conftest import Command

pytestmark = pytest.mark.docker

REQUESTED_RTT_MS = 40.0
LATE_MS = 15.0
"""On a loaded machine with two cores, two user engines wake up late; without load by less than a millisecond."""


def test_the_link_has_the_requested_delay(testbed_cell: Callable[..., CellShown], family: str) -> None:
    shown = testbed_cell(family=family, latency="20ms", nodes=10)
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    rtt = shown.result.metrics.rtt_ms
    assert rtt is not None
    assert rtt.min >= REQUESTED_RTT_MS
    assert rtt.median <= REQUESTED_RTT_MS + LATE_MS
    assert rtt.samples >= 10
    assert {link.engine for link in shown.result.link.values()} <= {"kernel", "user"}
    # Handshake, list and end cross the link three times, and the last byte once more.
    assert (shown.result.metrics.duration_s or 0) >= REQUESTED_RTT_MS / 2000


def test_a_link_without_impairment_has_no_delay(testbed_cell: Callable[..., CellShown], family: str) -> None:
    rtt = testbed_cell(family=family, nodes=1).result.metrics.rtt_ms
    assert rtt is not None
    assert rtt.min < 5.0


@pytest.mark.parametrize("server", ["py", "c"])
def test_a_sender_is_done_long_before_a_slow_reader(
    testbed_cell: Callable[..., CellShown], family: str, server: str
) -> None:
    shown = testbed_cell(family=family, server=server, delay="50ms", chunk="10k")
    metrics = shown.result.metrics
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    assert metrics.bytes_written == metrics.bytes_read == 255_204
    # 255 204 bytes in reads of at most 8192 are at least 32 reads, with 31 read delays between the first and the last.
    assert metrics.read_calls is not None
    assert metrics.read_calls >= 32
    assert metrics.duration_s is not None
    assert metrics.duration_s >= 31 * 0.05
    assert metrics.write_s is not None
    assert metrics.write_s < metrics.duration_s / 2
    assert metrics.bytes_ahead_max is not None
    assert metrics.bytes_ahead_max > 128_000
    assert "closing" in [finding.name for finding in shown.result.findings]


def test_small_buffers_make_the_writes_block(testbed_cell: Callable[..., CellShown], family: str) -> None:
    shown = testbed_cell(family=family, delay="50ms", chunk="10k", sndbuf="8k", rcvbuf="8k", nodes=100)
    metrics = shown.result.metrics
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    assert metrics.duration_s is not None
    assert metrics.write_blocked_s is not None
    assert metrics.write_blocked_s > metrics.duration_s / 2
    # SO_RCVBUF and SO_SNDBUF of 8192 are 16384 each in the kernel; one segment of up to 64 kB may exceed a socket
    # buffer, the complete list may not.
    assert metrics.bytes_ahead_max is not None
    assert metrics.bytes_ahead_max < 110_000


def test_the_run_folder(command: Command) -> None:
    done = command("run", "--json", "--nodes", "10", "--latency", "1ms", "--chunk", "1k")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [result["status"] for result in document["results"]] == ["passed"]
    run = Path(document["folder"])
    assert (command.output / "latest").resolve() == run.resolve()
    facts = json.loads((run / "run.json").read_text())
    assert facts["cells"][0]["requested"]["chunk"] == 1024
    assert facts["kernel"]
    assert facts["sysctls"]
    assert facts["images"]
    assert all(digest.startswith("sha256:") for digest in facts["images"].values())
    cell = command.cell()
    jsonschema.validate(command.result(), result_schema())
    assert command.result() == document["results"][0]
    for role in ("client", "server"):
        magic = struct.unpack("<I", (cell / role / "capture.pcap").read_bytes()[:4])[0]
        assert magic == 0xA1B23C4D  # pcap with nanoseconds
        assert (cell / role / "sockets.csv").read_text().startswith("monotonic_ns,realtime_ns,")
        assert set(json.loads((cell / role / "link.json").read_text())) >= {"link", "stopped"}
        assert (cell / role / "events.csv").read_text().startswith("# realtime_offset_ns=")


def test_the_output_of_a_run(command: Command) -> None:
    done = command("run", "--chunk", "10k", "--nodes", "20")
    assert done.returncode == 0, done.stderr
    for words in ("chunk 10k = 10240 bytes", "passed", "round trip", "goodput", "run folder: "):
        assert words in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("choice", "scheduling"), [("auto", "deadline |fifo |ordinary: "), ("off", "ordinary: switched off")]
)
def test_how_the_link_was_scheduled_is_never_silent(command: Command, choice: str, scheduling: str) -> None:
    done = command("run", "--latency", "5ms", "--engine", "user", "--realtime", choice)
    assert done.returncode == 0, done.stderr
    for link in command.result()["link"].values():
        assert re.match(scheduling, link["scheduling"])
        assert f"engine user ({link['scheduling']})" in done.stdout
        assert link["engine_lateness"]["packets"] > 0
    assert done.stdout.count("engine lateness p50") == 2
    document = json.loads((command.output / command.runs()[0] / "run.json").read_text())
    assert document["scheduling"] == [command.result()["link"]["client"]["scheduling"]]


def test_a_matrix(command: Command, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("cells: {nodes: 1, content: 1, family: [ipv4, ipv6]}\n")
    done = command("matrix", str(tmp_path / "two.yaml"), "--no-again")
    assert done.returncode == 0, done.stderr
    assert "2 cells: 2 passed" in done.stdout
    run = command.output / command.runs()[0]
    assert len((run / "results.csv").read_text().splitlines()) == 3
    assert '<testsuite name="' in (run / "junit.xml").read_text()


@pytest.mark.alone("`testbed clean` of another test removes the resources that it looks at")
def test_least_privilege_and_kept_resources(command: Command, testbed_engine: DockerEngine) -> None:
    done = command("run", "--keep", "always", "--nodes", "1")
    assert done.returncode == 0, done.stderr
    run = command.runs()[0]
    assert f"label=testbed.run={run}" in done.stderr
    with testbed_engine._request("inspect") as client:
        found = [
            client.inspect_container(c["Id"])
            for c in client.containers(all=True, filters={"label": f"testbed.run={run}"})
        ]
    by_role = {container["Config"]["Labels"]["testbed.role"]: container for container in found}
    assert set(by_role) == {"client", "server", "client-netem", "server-netem"}
    for role, container in by_role.items():
        host = container["HostConfig"]
        is_sidecar = role.endswith("-netem")
        assert host["CapDrop"] == ["ALL"]
        assert sorted(host["CapAdd"] or []) == (["NET_ADMIN", "NET_RAW", "SYS_NICE"] if is_sidecar else [])
        assert host["ReadonlyRootfs"] is True
        assert host["Privileged"] is False
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert not host["PortBindings"]
        assert is_sidecar or container["Config"]["User"].startswith("65532")
        assert is_sidecar or not host["Devices"]
    cleaned = command("clean", "--all", "--dry-run")
    assert run in cleaned.stdout
    # Its process has ended, so these are leftovers: the command removes them without --all.
    assert command("clean").returncode == 0
    assert testbed_engine.find(f"testbed.run={run}") == []
