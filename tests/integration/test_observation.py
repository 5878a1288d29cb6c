"""Check what sidecars record: counters, memory, the machine, clocks; and captures, full, capped and readable."""

import csv
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from tarfile import TarInfo
from tarfile import open as open_tar
from typing import Any, cast

import docker
import pytest
from docker.models.containers import Container

from testbed.pytest_plugin import CellShown
from testbed.result import Finding, Result
from testbed.stack.docker_engine import DockerEngine
from tests.support.image_builds import build_image, build_tools, remove_image

pytestmark = pytest.mark.docker

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "back-pressure"
SMALL = {"sndbuf": 8192, "rcvbuf": 8192}
SLOW = {"nodes": 300, "content": 10_000, "chunk": 1000, "delay": "8ms", **SMALL}


def good(shown: CellShown) -> Result:
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    return shown.result


def finding(result: Result, name: str) -> Finding:
    return next(each for each in result.findings if each.name == name)


def rows(path: Path) -> list[dict[str, int]]:
    with path.open(newline="") as file:
        return [{name: int(value) for name, value in row.items()} for row in csv.DictReader(file)]


def stopped(shown: CellShown, role: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((shown.folder / role / "link.json").read_text())["stopped"]
    return event


def test_the_kernels_counters_agree_with_the_capture(testbed_cell: Callable[..., CellShown], family: str) -> None:
    result = good(testbed_cell(client="c", server="c", family=family, nodes=60, chunk=1000, delay="250ms", **SMALL))
    client, server = result.kernel_counters["client"], result.kernel_counters["server"]
    closed, probed = finding(result, "window-closed"), finding(result, "window-probes")
    assert server["TcpExtTCPToZeroWindowAdv"] == closed.facts["periods"]
    assert client["TcpExtTCPWinProbe"] == probed.facts["probes"]
    assert (client["TcpActiveOpens"], server["TcpPassiveOpens"]) == (1, 1)
    assert not {"TcpCurrEstab", "TcpRtoMin"} & client.keys()
    assert 0 not in client.values()


@pytest.mark.parametrize("program", ["py", "c"])
def test_memory_and_processor_time_of_both_programs(testbed_cell: Callable[..., CellShown], program: str) -> None:
    shown = testbed_cell(client=program, server=program, nodes=40, delay="20ms", **SMALL)
    good(shown)
    for role in ("client", "server"):
        found = rows(shown.folder / role / "resources.csv")
        assert len(found) >= 2
        # The kernel counts pages per processor and adds up later: a process that has just begun can show none.
        assert all(0 <= row["memory_bytes"] <= row["resident_bytes"] < 200_000_000 for row in found)
        assert max(row["memory_bytes"] for row in found) > 0
        assert [row["cpu_ns"] for row in found] == sorted(row["cpu_ns"] for row in found)
        samples = (shown.folder / role / "sockets.csv").read_text().splitlines()
        assert found[0]["monotonic_ns"] <= int(samples[-1].split(",")[0])
        assert {row["processes"] for row in found} == {1}


def test_the_machine_and_the_clocks_are_recorded(testbed_cell: Callable[..., CellShown]) -> None:
    shown = testbed_cell(nodes=60, delay="50ms", **SMALL)
    host = good(shown).host
    assert host is not None
    # It encloses the transfer, but for the interval of the samples, and lies within the phase.
    phases_s = json.loads((shown.folder / "cell.json").read_text())["phases_s"]
    assert host.duration_s > 0.5 * (shown.result.metrics.duration_s or 0.0) > 0
    assert host.duration_s <= phases_s["transfer"]
    assert host.cpu_pressure_share is not None
    assert host.steal_share is not None
    assert host.clock_offset_ns is not None
    low_ns, high_ns = host.clock_offset_ns
    assert low_ns <= 0 <= high_ns
    # Only the load of this machine can make times unreliable: both ends have one clock.
    assert not any("clock" in issue for issue in shown.result.timing_issues)


def test_whole_frames_on_request(testbed_cell: Callable[..., CellShown], family: str) -> None:
    shown = testbed_cell(family=family, snaplen=0, nodes=50)
    good(shown)
    for role in ("client", "server"):
        # The capture contains every sent byte.
        assert (shown.folder / role / "capture.pcap").stat().st_size > shown.result.metrics.bytes_written  # type: ignore[operator]
        assert stopped(shown, role)["capture"]["complete"], stopped(shown, role)["capture"]


def test_a_capped_capture_keeps_beginning_and_end_and_reports_the_gap(
    testbed_cell: Callable[..., CellShown],
) -> None:
    shown = testbed_cell(snaplen=0, capture_max="8MB", nodes=500, content=100_000, chunk=65_536, read_size=65_536)
    result = good(shown)
    for role in ("client", "server"):
        event = stopped(shown, role)["capture"]
        assert (shown.folder / role / "capture.pcap").stat().st_size < 8_500_000
        assert event["cut"]["frames"] > 0
        assert event["cut"]["after_ns"] < event["cut"]["before_ns"]
        assert not event["complete"]
        assert any(note.startswith(f"{role}/capture.pcap is not complete") for note in result.notes)
    trust = finding(result, "capture-trust")
    assert "left out to keep it below" in trust.sentence
    assert "has no handshake" not in trust.sentence


@pytest.fixture(scope="module")
def asyncio_images(testbed_engine: DockerEngine, image_tag: Callable[[str], str]) -> Iterator[dict[str, str]]:
    tags = {}
    dockerfile = (EXAMPLE / "Dockerfile").read_text()
    for drain in ("0", "1"):
        tags[drain] = image_tag(f"back-pressure-{drain}")
        files = {
            "Dockerfile": dockerfile.replace("ARG DRAIN=1", f"ARG DRAIN={drain}").encode(),
            "client.py": (EXAMPLE / "client.py").read_bytes(),
        }
        build_image(testbed_engine, tags[drain], files)
    yield tags
    for tag in tags.values():
        remove_image(tag)


def test_a_program_that_buffers_in_memory_is_detected(
    testbed_cell: Callable[..., CellShown], asyncio_images: dict[str, str], family: str
) -> None:
    result = good(testbed_cell(client=asyncio_images["0"], family=family, **SLOW))
    found = finding(result, "back-pressure")
    assert found.sentence.startswith("Back-pressure is not respected")
    assert int(found.facts["program_max_bytes"]) > 1_000_000
    assert int(found.facts["memory_growth_bytes"]) > 1_000_000
    assert "the program itself buffers" in result.verdict


@pytest.mark.parametrize("client", ["drained", "py", "c"])
def test_programs_that_wait_are_not_the_cause(
    testbed_cell: Callable[..., CellShown], asyncio_images: dict[str, str], client: str
) -> None:
    result = good(testbed_cell(client=asyncio_images["1"] if client == "drained" else client, **SLOW))
    found = finding(result, "back-pressure")
    assert found.sentence.startswith("Back-pressure is respected")
    assert int(found.facts["program_max_bytes"]) < 131_072
    assert "the program itself buffers" not in result.verdict


@pytest.fixture(scope="module")
def tshark() -> Iterator[Container]:
    client = docker.from_env()
    container = client.containers.run(
        build_tools(client), ["sleep", "600"], detach=True, init=True, network_mode="none", labels={"testbed.test": "1"}
    )
    try:
        yield container
    finally:
        container.remove(force=True)
        client.close()


def outputs(container: Container, data: bytes, *argv: str) -> tuple[str, str]:
    """Return the output of a Wireshark tool for a capture, and its warnings."""
    packed_file = BytesIO()
    with open_tar(fileobj=packed_file, mode="w") as archive:
        entry = TarInfo("file.pcap")
        entry.size = len(data)
        archive.addfile(entry, BytesIO(data))
    assert container.put_archive("/tmp", packed_file.getvalue())
    status, (output, errors) = container.exec_run([*argv, "/tmp/file.pcap"], demux=True)
    assert status == 0, (argv, errors)
    # tshark prints this in every container as root.
    warnings = cast("bytes", errors or b"").decode().replace('Running as user "root" and group "root".', "")
    warnings = warnings.replace("This could be dangerous.", "")
    return cast("bytes", output or b"").decode(), warnings.strip()


@pytest.mark.parametrize(
    "cell",
    [
        {"netem": "delay 10ms 5ms loss 3% duplicate 3%"},
        {"snaplen": 0, "nodes": 400, "engine": "user"},
        {"snaplen": 0, "capture_max": "8MB", "nodes": 300, "content": 100_000, "chunk": 65_536, "read_size": 65_536},
    ],
    ids=["impaired", "whole frames", "capped"],
)
def test_wireshark_opens_captures_without_a_warning(
    testbed_cell: Callable[..., CellShown], tshark: Container, family: str, cell: dict[str, Any]
) -> None:
    shown = testbed_cell(family=family, **cell)
    good(shown)
    for role in ("client", "server"):
        data = (shown.folder / role / "capture.pcap").read_bytes()
        facts, warnings = outputs(tshark, data, "capinfos", "-M", "-c", "-o", "-E")
        assert "Strict time order:   True" in facts
        assert "File encapsulation:  ether\n" in facts
        assert f"Number of packets:   {stopped(shown, role)['capture']['frames']}\n" in facts
        assert warnings == ""
        output, warnings = outputs(
            tshark, data, "tshark", "-n", "-Y", "_ws.malformed || _ws.expert.severity == error", "-r"
        )
        assert (output, warnings) == ("", "")
