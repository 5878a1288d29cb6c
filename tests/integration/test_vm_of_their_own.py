"""Guest VMs that are started, killed or broken by a test. Run separately, with `pytest -m vm`.

The file's name is the last, so that the guest of the other tests has not been stopped in between.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from testbed.vm.errors import GuestError
from testbed.vm.guest import Guest
from testbed.vm.run_dirs import runs_dir, sweep
from testbed.vm.store import GuestImage
from tests.integration.test_vm import GUEST_TIMEOUT_S, docker, vm_image  # noqa: F401 - a fixture
from tests.support.guest import KERNEL

# Not the fixtures: the first may build the guest VM, and its steps have their own deadlines.
pytestmark = [pytest.mark.vm, pytest.mark.timeout(600, func_only=True)]

CLOCK_S = 10  # by which a guest's clock may be wrong; a stored state's would be wrong by its age


def test_guest_vms_of_one_state_have_no_network_and_differ_in_random_numbers(vm_image: GuestImage) -> None:  # noqa: F811
    tag = next(tag for tag in vm_image.images if tag.startswith("testbed-netem:"))
    program = (
        "import socket, time, uuid; print(time.time(), uuid.uuid4(), *(name for _, name in socket.if_nameindex()))"
    )
    options = ["--rm", "--network", "host", "--entrypoint", "python3"]
    drawn = set()
    for _ in range(2):
        with Guest(vm_image) as guest:
            before_s = time.time()
            output = docker(guest.docker_url, "run", *options, tag, "-c", program)
            now_s, number, *names = output.split()
            assert "lo" in names
            assert all(name.startswith(("lo", "docker", "br-", "veth", "dummy", "ifb")) for name in names), names
            assert before_s - CLOCK_S < float(now_s) < time.time() + CLOCK_S
            drawn.add(number)
    assert len(drawn) == 2


def children(pid: int) -> set[int]:
    """Return the processes that a process has started, by any of its threads."""
    lists = [task / "children" for task in Path("/proc", str(pid), "task").iterdir()]
    return {int(child) for each in lists for child in each.read_text().split()}


@pytest.fixture
def run_dirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Provide a folder of running guest VMs that no other test or user of this machine uses."""
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
def test_a_killed_owner_has_no_leftovers(vm_image: GuestImage, run_dirs: Path, number: signal.Signals) -> None:  # noqa: F811
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


def test_a_guest_vm_that_boots_too_slowly_shows_its_console(vm_image: GuestImage, run_dirs: Path) -> None:  # noqa: F811
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


def test_a_broken_image_is_booted_and_fails(vm_image: GuestImage, run_dirs: Path, tmp_path: Path) -> None:  # noqa: F811
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
