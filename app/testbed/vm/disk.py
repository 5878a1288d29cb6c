"""Make the disk of a guest: Debian's packages, a kernel, our agent and our images, written by mke2fs in a container.

What needs the network, and what needs only this machine, happens at the same time.
"""

import hashlib
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from testbed.stack import docker_cli
from testbed.stack.cancel import Cancel, active_cancel
from testbed.vm.docker_store import write_store
from testbed.vm.errors import GuestError
from testbed.vm.kernels import SUITES, DebianKernel, parse_list, select
from testbed.vm.tree import Tree, clean, members

DISK_MIB: Final = 8192  # a file with holes: 1.3 GB of it are used
_HERE: Final = Path(__file__).parent
_RECIPE: Final = _HERE / "guest"
_AGENT: Final = ("__init__.py", "mux.py", "pump.py", "agent.py")
_KERNELS_TAG: Final = "testbed-vm-kernels"
_KERNEL_TAG: Final = "testbed-vm-kernel"
_PACKAGES_TAG: Final = "testbed-vm-guest"
_MAKER_TAG: Final = "testbed-vm-maker"
_BOOT_FILES: Final = ("vmlinuz", "initrd")
_EXECUTABLE: Final = 0o755

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What a disk was made of: its kernel, and Debian's packages with their versions."""

    kernel: DebianKernel
    packages: tuple[str, ...]


def recipe_files() -> dict[str, Path]:
    """Return all files that a guest is made of, by their path in the build context."""
    files = {file.name: file for file in sorted(_RECIPE.iterdir()) if file.is_file()}
    files["testbed/__init__.py"] = _HERE.parent / "__init__.py"
    return files | {f"testbed/vm/{name}": _HERE / name for name in _AGENT}


def recipe_hash() -> str:
    """Return a short hash of all that a guest is made of, except packages and images."""
    total = hashlib.sha256(str(DISK_MIB).encode())
    for name, file in recipe_files().items():
        total.update(f"\0{name}\0".encode() + file.read_bytes())
    return total.hexdigest()[:12]


@contextmanager
def _together() -> Iterator[Callable[..., Future[Any]]]:
    """Provide a function that starts others in threads; all of them are stopped when the block raises."""
    cancel = Cancel()
    with (
        active_cancel().stopping("build a guest", cancel.set),
        cancel.active(),
        ThreadPoolExecutor(thread_name_prefix="disk") as pool,
    ):
        try:
            yield lambda call, *arguments: pool.submit(copy_context().run, call, *arguments)
        except BaseException:
            cancel.set()
            raise


def make_disk(part: Path, wanted: str, images: Mapping[str, str], progress: Progress, on_line: Progress) -> Made:
    """Write the disk, the kernel and the initrd of a guest into a folder; raises HostError.

    `wanted` names a kernel; `images` are the names and ids of our images, which the guest's store will contain.
    """
    saved = part / "images.tar"
    with tempfile.TemporaryDirectory(prefix="testbed-vm-") as folder, _together() as start:
        context = _context(Path(folder))
        others = [
            start(docker_cli.build, context, "guest.Dockerfile", _PACKAGES_TAG, {}, on_line),
            start(docker_cli.build, context, "maker.Dockerfile", _MAKER_TAG, {}, on_line),
            start(_save, images, saved),
        ]
        progress("looking up kernels")
        lists, kernel = _look_up(context, wanted, on_line)
        progress(f"installing Debian's packages and kernel {kernel.version}")
        arguments = {"SUITE": kernel.suite, "VERSION": kernel.version, "KERNELS": lists}
        docker_cli.build(context, "kernel.Dockerfile", f"{_KERNEL_TAG}:{kernel.name}", arguments, on_line)
        for other in others:
            other.result()
    progress("writing the disk")
    disk_id = uuid.uuid5(uuid.NAMESPACE_URL, f"testbed {recipe_hash()} {kernel.version}")
    packages: list[str] = []

    def feed(sink: IO[bytes]) -> None:
        packages.extend(_write_tree(sink, f"{_KERNEL_TAG}:{kernel.name}", saved, part))

    docker_cli.through([_MAKER_TAG, str(DISK_MIB), str(disk_id)], feed, lambda stream: _unpack(stream, part))
    saved.unlink()
    return Made(kernel, tuple(packages))


def _context(folder: Path) -> Path:
    for name, file in recipe_files().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return folder


def _look_up(context: Path, wanted: str, on_line: Progress) -> tuple[str, DebianKernel]:
    """Return the image with the package lists, and the kernel that Debian offers today under this name.

    The lists of all suites take four times as long as those of one, which is enough unless it lacks the kernel.
    """
    suite = SUITES.get(wanted, wanted if wanted in SUITES.values() else "")
    if suite:
        with suppress(GuestError):
            return _look_up_in([suite], context, wanted, on_line)
    return _look_up_in(list(SUITES.values()), context, wanted, on_line)


def _look_up_in(suites: Sequence[str], context: Path, wanted: str, on_line: Progress) -> tuple[str, DebianKernel]:
    tag = f"{_KERNELS_TAG}:{suites[0] if len(suites) == 1 else 'latest'}"
    arguments = {"SUITES": " ".join(suites), "LOOKED_UP": datetime.now(UTC).date().isoformat()}
    docker_cli.build(context, "kernels.Dockerfile", tag, arguments, on_line)
    with docker_cli.copied_out(tag, "/kernels.txt") as stream:
        text = b"".join(content.read() for _, content in members(stream) if content is not None)
    return tag, select(parse_list(text.decode()), wanted)


def _save(images: Mapping[str, str], target: Path) -> None:
    """Save our images; raises GuestError when they have changed since their ids were read."""
    docker_cli.save_images(list(images), target)
    if docker_cli.image_ids(list(images)) != dict(images):
        raise GuestError("copy our images to the guest", "they were rebuilt in the meantime", hint="Try again.")


def _write_tree(sink: IO[bytes], kernel_tag: str, saved: Path, part: Path) -> list[str]:
    """Write the guest's file system as a tar stream, and the kernel to a folder; return Debian's packages."""
    packages: list[str] = []
    with Tree(sink) as tree:
        with docker_cli.exported(_PACKAGES_TAG) as stream:
            for member, content in members(stream):
                if clean(member.name) == "packages.txt" and content is not None:
                    packages = content.read().decode().splitlines()
                else:
                    tree.copy(member, content)
        with docker_cli.copied_out(kernel_tag, "/out") as stream:
            _add_kernel(tree, stream, part)
        _add_ours(tree)
        try:
            write_store(saved, tree)
        except (tarfile.TarError, ValueError, KeyError) as error:
            raise GuestError("copy our images to the guest", f"unknown output of docker save ({error!r})") from error
    return packages


def _add_kernel(tree: Tree, stream: IO[bytes], part: Path) -> None:
    for member, content in members(stream):
        name = clean(member.name).removeprefix("out").strip("/")
        if name in _BOOT_FILES and content is not None:
            with (part / name).open("wb") as target:
                shutil.copyfileobj(content, target)
        elif name.startswith("modules/"):
            tree.copy(member.replace(name=name), content, "usr/lib")


def _add_ours(tree: Tree) -> None:
    files = recipe_files()
    tree.file("etc/docker/daemon.json", files["daemon.json"].read_bytes())
    tree.file("testbed/init", files["init"].read_bytes(), _EXECUTABLE)
    for name, file in files.items():
        if name.startswith("testbed/"):
            tree.file(f"testbed/{name}", file.read_bytes())


def _unpack(stream: IO[bytes], folder: Path) -> None:
    """Extract the disk from its tar stream, keeping its holes."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name == "disk.raw":
                archive.extract(member, folder, filter="data")
    while stream.read(1 << 16):
        pass
