"""How a disk is made, with the docker command replaced; the disk itself is tested in tests/integration/test_vm.py."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import IO

import pytest

from testbed.stack import docker_cli
from testbed.stack.cancel import CanceledError, active_cancel
from testbed.vm import disk
from testbed.vm.disk import make_disk, recipe_files, recipe_hash
from testbed.vm.errors import GuestError
from testbed.vm.kernels import SUITES
from testbed.vm.tree import Tree
from tests.unit.vm.test_docker_store import saved_images

IDS = {"testbed-client:1": "sha256:c"}
OFFERED = {
    suite: f"{suite} | linux-image-cloud-amd64 | {version} | http://debian {suite}/main amd64 Packages"
    for suite, version in {"bookworm": "6.1.176-1", "sid": "7.2.13-1"}.items()
}


def tar(files: Mapping[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with Tree(packed) as tree:
        for name, data in files.items():
            tree.file(name, data)
    return io.BytesIO(packed.getvalue())


class Docker:
    """The docker command: builds succeed at once, and the maker returns the file system that it has received."""

    def __init__(self) -> None:
        self.builds: list[tuple[str, dict[str, str]]] = []
        self.fail: dict[str, Callable[[], object]] = {}
        self.ids = dict(IDS)
        self.tree: dict[str, bytes | None] = {}
        self._lists: dict[str, str] = {}

    def build(self, context: Path, dockerfile: str, tag: str, arguments: dict[str, str], _on_line: object) -> None:
        assert (context / dockerfile).is_file()
        self.builds.append((tag, arguments))
        self.fail.get(dockerfile, lambda: None)()
        if "SUITES" in arguments:
            self._lists[tag] = "\n".join(OFFERED[suite] for suite in arguments["SUITES"].split() if suite in OFFERED)

    @contextmanager
    def exported(self, _tag: str) -> Iterator[IO[bytes]]:
        yield tar({"packages.txt": b"apt 3\n", "usr/bin/dockerd": b"d", "etc/hosts": b"h"})

    @contextmanager
    def copied_out(self, tag: str, path: str) -> Iterator[IO[bytes]]:
        if path == "/out":
            yield tar({"out/vmlinuz": b"k", "out/initrd": b"i", "out/modules/6.1/a.ko": b"m"})
        else:
            yield tar({"kernels.txt": self._lists[tag].encode()})

    def save_images(self, _names: list[str], target: Path) -> None:
        saved_images(target)

    def image_ids(self, _names: list[str]) -> dict[str, str]:
        return self.ids

    def through(self, _argv: list[str], feed: Callable[[IO[bytes]], None], sink: Callable[[IO[bytes]], None]) -> None:
        packed = io.BytesIO()
        feed(packed)
        with tarfile.open(fileobj=io.BytesIO(packed.getvalue())) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                self.tree[member.name] = content.read() if content else None
        sink(tar({"disk.raw": b"disk"}))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Docker:
    made = Docker()
    for name in ("build", "exported", "copied_out", "save_images", "image_ids", "through"):
        monkeypatch.setattr(docker_cli, name, getattr(made, name))
    return made


def ignore(_line: str) -> None: ...


def test_a_disk_has_packages_kernel_agent_and_images(command: Docker, tmp_path: Path) -> None:
    made = make_disk(tmp_path, "bookworm", IDS, ignore, ignore)
    assert (made.kernel.version, made.packages) == ("6.1.176-1", ("apt 3",))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "disk.raw": b"disk",
        "vmlinuz": b"k",
        "initrd": b"i",
    }
    tree = command.tree
    assert (tree["usr/bin/dockerd"], tree["usr/lib/modules/6.1/a.ko"]) == (b"d", b"m")
    assert {"testbed/init", "testbed/testbed/vm/agent.py", "etc/docker/daemon.json"} <= set(tree)
    assert "var/lib/docker/image/overlay2/repositories.json" in tree
    assert "packages.txt" not in tree


def test_one_suite_is_looked_up_if_it_has_the_kernel(command: Docker, tmp_path: Path) -> None:
    for wanted, looked_up in [
        ("bookworm", ["bookworm"]),
        ("7.2", [" ".join(SUITES.values())]),
    ]:
        command.builds.clear()
        make_disk(tmp_path, wanted, IDS, ignore, ignore)
        assert [arguments["SUITES"] for _, arguments in command.builds if "SUITES" in arguments] == looked_up
        lists = [arguments["KERNELS"] for _, arguments in command.builds if "KERNELS" in arguments]
        assert lists == [tag for tag, arguments in command.builds if "SUITES" in arguments]


def test_a_kernel_that_is_not_offered_names_those_that_are(command: Docker, tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="Debian does not offer it") as caught:
        make_disk(tmp_path, "trixie", IDS, ignore, ignore)
    assert "sid (7.2.13-1)" in caught.value.hint
    assert list(tmp_path.glob("disk.raw")) == []


def test_images_that_change_meanwhile_fail_the_build(command: Docker, tmp_path: Path) -> None:
    command.ids = {"testbed-client:1": "sha256:new"}
    with pytest.raises(GuestError, match="rebuilt in the meantime"):
        make_disk(tmp_path, "bookworm", IDS, ignore, ignore)


def test_an_interruption_stops_the_other_steps(command: Docker, tmp_path: Path) -> None:
    """The packages are being installed in a thread when Ctrl-C arrives in the main one."""
    installing, stopped = Event(), Event()

    def install() -> None:
        with active_cancel().stopping("install", stopped.set):
            installing.set()
            assert stopped.wait(30)
            raise GuestError("install", "killed")

    def interrupt() -> None:
        assert installing.wait(30)
        raise KeyboardInterrupt

    command.fail = {"guest.Dockerfile": install, "kernels.Dockerfile": interrupt}
    with pytest.raises(KeyboardInterrupt):
        make_disk(tmp_path, "bookworm", IDS, ignore, ignore)
    assert stopped.is_set()


def test_a_step_that_fails_is_the_error(command: Docker, tmp_path: Path) -> None:
    def fail() -> None:
        raise GuestError("build the image", "no network")

    command.fail = {"maker.Dockerfile": fail}
    with pytest.raises(GuestError, match="no network"):
        make_disk(tmp_path, "bookworm", IDS, ignore, ignore)


def test_an_operation_that_was_stopped_before_it_began_does_not_begin(command: Docker, tmp_path: Path) -> None:
    cancel = disk.Cancel()
    cancel.set()
    with cancel.active(), pytest.raises(CanceledError):
        make_disk(tmp_path, "bookworm", IDS, ignore, ignore)
    assert command.builds == []


def test_the_recipe_counts_all_that_goes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_hash()
    assert recipe_hash() == before
    names = set(recipe_files())
    assert {"init", "guest.Dockerfile", "testbed/vm/agent.py", "testbed/vm/mux.py", "testbed/vm/pump.py"} <= names
    changed = tmp_path / "init"
    changed.write_text("#!/bin/sh\n")
    inputs = recipe_files() | {"init": changed}
    monkeypatch.setattr(disk, "recipe_files", lambda: inputs)
    assert recipe_hash() != before
