"""Run cells under a kernel of Debian in a guest VM, where `tc netem` works. Run separately, with `pytest -m vm`.

A guest here is emulated unless the machine has KVM, so bounds on time are one-sided and wide. The image is built once
and kept in the user's cache; the guest is booted once for all tests of this file that do not end it.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from testbed.pytest_plugin import CellShown
from testbed.run.machines import Guests
from testbed.scenario.expand import ExpansionError
from testbed.stack.images import DOCKERFILES, Images
from testbed.vm.build import ensure
from testbed.vm.errors import GuestError
from testbed.vm.guest import Guest
from testbed.vm.run_dirs import runs_dir, sweep
from testbed.vm.store import GuestImage
from tests.support.waiting import wait_until

# Not the fixtures: the first may build the guest VM, and its steps have their own deadlines.
pytestmark = [pytest.mark.vm, pytest.mark.timeout(600, func_only=True)]

KERNEL = os.environ.get("TESTBED_TEST_KERNEL", "bookworm")
LATENCY_MS = 20
SLACK_MS = 60  # on a round trip: two sidecars that may each be 15 ms late, twice
CLOCK_S = 10  # by which a guest's clock may be wrong; a stored state's would be wrong by its age
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


def test_a_guest_vm_is_isolated(guests: Guests, vm_image: GuestImage) -> None:
    url = guests.url(KERNEL)
    netem = next(tag for tag in vm_image.images if tag.startswith("testbed-netem:"))
    shown = docker(url, "run", "--rm", "--network", "host", "--entrypoint", "ip", netem, "-j", "link")
    names = {link["ifname"] for link in json.loads(shown)}
    assert not {name for name in names if not name.startswith(("lo", "docker", "br-", "veth", "dummy", "ifb"))}


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
        wait_until(lambda: '"ready"' in docker(url, "logs", sidecar), GUEST_TIMEOUT_S, pause_s=0.5)
        docker(url, "exec", sidecar, "python3", "-m", "netem", "change", "delay 70ms")
        assert "delay 70ms" in docker(url, "exec", sidecar, "tc", "qdisc", "show", "dev", "eth0")
    finally:
        docker(url, "rm", "--force", sidecar)


def test_two_guest_vms_of_one_state_differ_in_random_numbers(vm_image: GuestImage, guests: Guests) -> None:
    guests.close()
    tag = next(tag for tag in vm_image.images if tag.startswith("testbed-netem:"))
    program = "import time, uuid; print(time.time(), uuid.uuid4())"
    drawn = set()
    for _ in range(2):
        with Guest(vm_image) as guest:
            before_s = time.time()
            output = docker(guest.docker_url, "run", "--rm", "--entrypoint", "python3", tag, "-c", program)
            now_s, number = output.split()
            assert before_s - CLOCK_S < float(now_s) < time.time() + CLOCK_S
            drawn.add(number)
    assert len(drawn) == 2


def children(pid: int) -> set[int]:
    """Return the processes that a process has started, by any of its threads."""
    lists = [task / "children" for task in Path("/proc", str(pid), "task").iterdir()]
    return {int(child) for each in lists for child in each.read_text().split()}


@pytest.fixture
def run_dirs(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Provide a folder of running guest VMs that no other test or user of this machine uses."""
    guests.close()
    with TemporaryDirectory() as folder:  # a short path, as there is a socket in it
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield runs_dir()


OWNER = """
import signal, sys, time
from testbed.vm.guest import Guest
from testbed.vm.store import cache_dir, find_image
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
with Guest(find_image(cache_dir(), sys.argv[1])) as guest:
    print("up", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_owner_has_no_leftovers(vm_image: GuestImage, run_dirs: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, vm_image.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        (qemu,) = children(process.pid)
        assert b"virtserialport" in Path("/proc", str(qemu), "cmdline").read_bytes()
        ended = os.pidfd_open(qemu)
        process.send_signal(number)
        process.wait(GUEST_TIMEOUT_S)
    there, _, _ = select.select([ended], [], [], GUEST_TIMEOUT_S)
    os.close(ended)
    assert there, "qemu still runs"
    sweep(run_dirs)
    assert list(run_dirs.iterdir()) == []


def test_a_guest_vm_that_boots_too_slowly_shows_its_console(vm_image: GuestImage, run_dirs: Path) -> None:
    console: tuple[str, ...] = ()
    timeout_s = 1
    while not console:  # the kernel prints lines long before the end of the boot, later on a busy machine
        match = f"no reply within {timeout_s} s"
        with pytest.raises(GuestError, match=match) as caught, Guest(vm_image, resume=False, timeout_s=timeout_s):
            pass
        console = caught.value.console
        timeout_s *= 2
    assert any("Linux version" in line or "] " in line for line in console)
    assert list(run_dirs.iterdir()) == []


def test_a_broken_image_is_booted_and_fails(vm_image: GuestImage, run_dirs: Path, tmp_path: Path) -> None:
    for name in ("vmlinuz", "initrd"):
        (tmp_path / name).symlink_to(vm_image.folder / name)
    with (tmp_path / "disk.raw").open("wb") as disk:
        disk.truncate(1 << 26)
    for state in vm_image.folder.glob("state-*"):
        (tmp_path / state.name).write_bytes(b"not a saved state")
    progress: list[str] = []
    broken = replace(vm_image, folder=tmp_path)
    with pytest.raises(GuestError, match="has stopped") as caught, Guest(broken, progress=progress.append):
        pass
    assert list(run_dirs.iterdir()) == []
    assert [line.split()[0] for line in progress] == ["restoring", "the", "booting"], progress
    assert "cannot be restored" in progress[1]
    assert any("mount" in line for line in caught.value.console)
    assert f"testbed vm rm {broken.name}" in caught.value.hint


def test_without_qemu_the_hint_names_the_package(tmp_path: Path) -> None:
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("docker", "env", "sh"):
        program = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (bin_dir / name).symlink_to(program)
    done = subprocess.run(
        [sys.executable, "-m", "testbed", "run", "--kernel", KERNEL, "--nodes", "1", "--output", str(tmp_path)],
        env={**os.environ, "PATH": str(bin_dir)},
        check=False,
        capture_output=True,
        text=True,
        timeout=GUEST_TIMEOUT_S,
    )
    assert done.returncode == 3, done.stderr
    assert "qemu-system-x86_64" in done.stdout + done.stderr
    assert "apt-get install" in done.stdout + done.stderr
