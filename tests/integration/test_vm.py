"""Run cells under a kernel of Debian in a guest VM, where `tc netem` works. Run separately, with `pytest -m vm`.

A guest here is emulated unless the machine has KVM, so bounds on time are one-sided and wide. The image is built once
and kept in the user's cache; the guest is booted once for all tests of this file and of test_vm_netem.py.
"""

import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from testbed.pytest_plugin import CellShown
from testbed.run.machines import Guests
from testbed.scenario.expand import ExpansionError
from testbed.stack.images import DOCKERFILES, Images
from testbed.vm.build import ensure
from testbed.vm.store import GuestImage

# Not the fixtures: the first may build the guest VM, and its steps have their own deadlines.
pytestmark = [pytest.mark.vm, pytest.mark.timeout(600, func_only=True)]

KERNEL = os.environ.get("TESTBED_TEST_KERNEL", "bookworm")
LATENCY_MS = 20
SLACK_MS = 60  # on a round trip: two sidecars that may each be 15 ms late, twice
GUEST_TIMEOUT_S = 300.0
"""No step takes that long: on a very busy machine, one start of a container took 48 s."""


@pytest.fixture(scope="session")
def vm_image(testbed_images: Images) -> GuestImage:
    return ensure(KERNEL, [testbed_images.ours(name)[0] for name in DOCKERFILES], print)


@pytest.fixture(scope="session")
def guests(testbed_guests: Guests, vm_image: GuestImage) -> Guests:
    return testbed_guests


@pytest.fixture
def run_cell(testbed_cell: Callable[..., CellShown], vm_image: GuestImage) -> Callable[..., CellShown]:
    return partial(testbed_cell, kernel=KERNEL)


def docker(url: str, *arguments: str) -> str:
    argv = ["docker", "--host", url, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=GUEST_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("client", "server"), [("py", "c"), ("c", "py")])
def test_conformance_with_latency(run_cell: Any, client: str, server: str, family: str) -> None:
    shown = run_cell(client=client, server=server, family=family, nodes=10, latency=f"{LATENCY_MS}ms", engine="kernel")
    result = shown.result
    assert result.status == "passed", result.reason
    assert {link.engine for link in result.link.values()} == {"kernel"}
    assert result.metrics.bytes_read == 12764
    captured = {}
    for role in ("client", "server"):
        capture = json.loads((shown.folder / role / "link.json").read_text())["stopped"]["capture"]
        assert capture["complete"], capture["why"]
        counts = {point["direction"]: point["captured"] for point in capture["points"]}
        captured[role] = counts["both"], counts["in"]
    assert captured["client"] == captured["server"][::-1], "what one end sent is what the other end received"
    assert result.metrics.rtt_ms is not None
    assert 2 * LATENCY_MS <= result.metrics.rtt_ms.median <= 2 * LATENCY_MS + SLACK_MS


@pytest.mark.fresh
def test_the_run_folder_describes_the_guest_vm_and_its_netem(run_cell: Any) -> None:
    """Check both in one cell: `auto` selects the kernel's netem, and the readback equals the request."""
    shown = run_cell(nodes=1, netem="delay 40ms 5ms distribution normal loss gemodel 1% 25%", engine="auto")
    assert shown.result.status == "passed", shown.result.reason
    machine = json.loads((shown.folder / "cell.json").read_text())["machine"]
    assert machine["kernel"].endswith("-amd64")
    assert machine["kernel"] != os.uname().release
    assert machine["accelerator"] in ("kvm", "tcg")
    assert machine["emulated"] == (machine["accelerator"] == "tcg") == shown.result.emulated
    assert machine["sysctls"]["net.ipv4.tcp_rmem"].count(" ") == 2
    for role in ("client", "server"):
        files = {path.name for path in (shown.folder / role).iterdir()}
        assert {"stdout.log", "stderr.log", "events.csv", "capture.pcap", "sockets.csv", "link.json"} <= files
        link = json.loads((shown.folder / role / "link.json").read_text())["link"]
        assert link["engine"] == "kernel"
        netem = [qdisc for qdisc in link["readback"] if qdisc["kind"] == "netem"]
        assert netem
        assert netem[0]["options"]["delay"]["delay"] == pytest.approx(0.04)
        assert "loss-gemodel" in netem[0]["options"]


def test_an_unsupported_impairment_is_rejected(run_cell: Any) -> None:
    with pytest.raises(ExpansionError, match="netem cannot select packets by number"):
        run_cell(nodes=1, netem="delay 10ms drop-list 2", engine="kernel")


def await_ready(url: str, sidecar: str) -> None:
    argv = ["docker", "--host", url, "logs", "--follow", sidecar]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = any('"ready"' in line for line in process.stdout)
        process.kill()
    assert ready, "the sidecar has ended"


def test_a_change_while_it_runs(guests: Guests, vm_image: GuestImage) -> None:
    url = guests.url(KERNEL)
    netem = next(tag for tag in vm_image.images if tag.startswith("testbed-netem:"))
    options = [
        "--cap-drop=ALL",
        "--cap-add=NET_ADMIN",
        "--cap-add=NET_RAW",
        "--device=/dev/net/tun",
        "--rm",
        "--detach",
    ]
    settings = [
        "--env=NETEM_IMPAIRMENT=delay 30ms",
        "--env=NETEM_ENGINE=kernel",
        "--tmpfs=/var/lib/testbed",
        "--tmpfs=/run",
    ]
    sidecar = docker(url, "run", *options, *settings, netem).strip()
    try:
        await_ready(url, sidecar)
        docker(url, "exec", sidecar, "python3", "-m", "netem", "change", "delay 70ms")
        assert "delay 70ms" in docker(url, "exec", sidecar, "tc", "qdisc", "show", "dev", "eth0")
    finally:
        docker(url, "rm", "--force", sidecar)
