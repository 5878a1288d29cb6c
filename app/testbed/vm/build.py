"""Build a guest image: Debian's packages on a disk, booted to fill its Docker store, and again to save its state.

Each image is written to a folder of its own and appears in the cache complete, by a rename.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from testbed.stack import docker_cli
from testbed.vm.accel import qemu_version
from testbed.vm.errors import GuestError
from testbed.vm.guest import Guest, Progress, ignore
from testbed.vm.kernels import SUITES, DebianKernel, parse_list, select
from testbed.vm.store import (
    GuestImage,
    cache_dir,
    drop_part,
    hold,
    list_images,
    make_part,
    matches,
    remove_image,
    remove_parts,
)

IMAGES: Final = ("testbed-client", "testbed-server", "testbed-cserver", "testbed-netem")
KEPT_PER_KERNEL: Final = 3
DISK_MIB: Final = 8192  # a file with holes: 1.3 GB of it are used
_HERE: Final = Path(__file__).parent
_RECIPE: Final = _HERE / "guest"
_AGENT: Final = ("__init__.py", "mux.py", "pump.py", "agent.py")
_KERNELS_TAG: Final = "testbed-vm-kernels"
_MAKER_TAG: Final = "testbed-vm-maker"


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
def _context() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="testbed-vm-") as folder:
        for name, file in recipe_files().items():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        yield Path(folder)


def look_up_kernels(on_line: Progress = ignore) -> list[DebianKernel]:
    """Return the kernels that Debian offers today; raises HostError."""
    arguments = {"SUITES": " ".join(SUITES.values()), "LOOKED_UP": datetime.now(UTC).date().isoformat()}
    with _context() as context:
        docker_cli.build(context, "kernels.Dockerfile", _KERNELS_TAG, arguments, on_line)
    return parse_list(docker_cli.read_file(_KERNELS_TAG, "/kernels.txt"))


def _with_current_recipe(kernel: str) -> list[GuestImage]:
    """Return the images of a kernel that were made with the current recipe, the newest first."""
    recipe = recipe_hash()
    found = [image for image in list_images(cache_dir()) if matches(image, kernel) and image.recipe == recipe]
    return found[::-1]


def ensure(
    kernel: str, images: Sequence[str] = IMAGES, progress: Progress = ignore, on_line: Progress = ignore
) -> GuestImage:
    """Return a guest image of a kernel with exactly these of our images in it; raises HostError.

    An existing one is used without looking for a newer kernel; one with other images is copied and updated, which takes
    a fifth of the time of a new one. It is protected from removal while this process runs.
    """
    qemu_version()
    ids = docker_cli.image_ids(images)
    existing = _with_current_recipe(kernel)
    for image in existing:
        if dict(image.images) == ids and hold(image):
            return image
    existing = [image for image in existing if hold(image)]
    if not existing:
        return build(kernel, images, progress, on_line)
    start_s = time.monotonic()
    with _part() as part:
        progress(f"copying {existing[0].name}")
        _copy_disk(existing[0], part)
        image = replace(existing[0], folder=part, images=ids)
        refill(image, [name for name in ids if existing[0].images.get(name) != ids[name]], progress)
        return _finish(image, start_s)


def build(
    kernel: str, images: Sequence[str] = IMAGES, progress: Progress = ignore, on_line: Progress = ignore
) -> GuestImage:
    """Build a new guest image of Debian's newest kernel with a name or version; raises HostError."""
    start_s = time.monotonic()
    qemu_version()
    ids = docker_cli.image_ids(images)
    progress("looking up kernels")
    chosen = select(look_up_kernels(on_line), kernel)
    with _part() as part:
        image = _make_disk(part, chosen, ids, progress, on_line)
        release = _fill(image, progress)
        return _finish(replace(image, release=release), start_s)


@contextmanager
def _part() -> Iterator[Path]:
    """Create a folder beside the images; it is removed unless it has been renamed to an image."""
    cache = cache_dir()
    remove_parts(cache)
    part = make_part(cache)
    try:
        yield part
    except OSError as error:
        raise GuestError("build a guest", str(error), hint=f"Is there room in {cache}?") from error
    finally:
        drop_part(part)


def _finish(image: GuestImage, start_s: float) -> GuestImage:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    image = replace(image, build_s=round(time.monotonic() - start_s, 1), built_at=now)
    image.write()
    final = image.folder.with_name(image_name(image))
    if final.exists():
        shutil.rmtree(final)
    finished = replace(image, folder=image.folder.rename(final))
    hold(finished)
    for old in superseded(list_images(image.folder.parent), image.kernel):
        remove_image(old)
    return finished


def superseded(images: Sequence[GuestImage], kernel: str) -> list[GuestImage]:
    """Return all but the newest few images of a kernel; checkouts may use different ones."""
    return [image for image in images if image.kernel == kernel][:-KEPT_PER_KERNEL]


def _copy_disk(image: GuestImage, target: Path) -> None:
    """Copy an image's files, keeping the holes of the disk."""
    files = [str(file) for file in image.folder.iterdir()]
    done = subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", *files, str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(done.stderr.strip())


def image_name(image: GuestImage) -> str:
    """Return the name of an image: its kernel, and a short hash of what is in it."""
    key = hashlib.sha256(
        "\0".join(
            [image.recipe, *sorted(f"{name} {id_}" for name, id_ in image.images.items()), *image.packages]
        ).encode()
    ).hexdigest()
    return f"{image.kernel}-{image.version}-{key[:8]}"


def _make_disk(
    part: Path, kernel: DebianKernel, ids: dict[str, str], progress: Progress, on_line: Progress
) -> GuestImage:
    tag = f"testbed-vm-guest:{kernel.name}"
    with _context() as context:
        progress(f"installing Debian's packages and kernel {kernel.version}")
        arguments = {"SUITE": kernel.suite, "VERSION": kernel.version}
        docker_cli.build(context, "guest.Dockerfile", tag, arguments, on_line)
        docker_cli.build(context, "maker.Dockerfile", _MAKER_TAG, {}, on_line)
    progress("writing the disk")
    disk_id = uuid.uuid5(uuid.NAMESPACE_URL, f"testbed {recipe_hash()} {kernel.version}")
    docker_cli.write_disk(tag, [_MAKER_TAG, str(DISK_MIB), str(disk_id)], lambda stream: _unpack(stream, part))
    for name in ("vmlinuz", "initrd"):
        docker_cli.copy_out(tag, f"/boot/{name}", part / name)
    return GuestImage(
        folder=part,
        kernel=kernel.name,
        suite=kernel.suite,
        version=kernel.version,
        release="",
        recipe=recipe_hash(),
        images=ids,
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        build_s=0,
        packages=tuple(docker_cli.read_file(tag, "/packages.txt").splitlines()),
    )


def _unpack(stream: IO[bytes], folder: Path) -> None:
    """Extract the disk from its tar stream, keeping its holes."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name == "disk.raw":
                archive.extract(member, folder, filter="data")
    while stream.read(1 << 16):
        pass


def _fill(image: GuestImage, progress: Progress) -> str:
    """Boot the disk to load our images, and again to save the state; return the kernel release."""
    names = list(image.images)
    with Guest(image, keep=True, progress=progress) as guest:
        progress(f"loading {len(names)} images ({guest.facts.boot_s:.0f} s to boot)")
        _load(guest, names)
        release = guest.facts.kernel
        guest.power_off()
    with Guest(image, keep=True, progress=progress) as guest:
        progress("saving the state after a warm-up")
        docker_cli.try_images(names, guest.docker_url)
        guest.store_state()
    return release


def refill(image: GuestImage, changed: list[str], progress: Progress) -> None:
    """Load changed images into a disk that has the others, and save a new state."""
    with Guest(image, keep=True, progress=progress) as guest:
        progress(f"loading {len(changed)} images")
        _load(guest, changed)
        progress("saving the state after a warm-up")
        docker_cli.try_images(changed, guest.docker_url)
        guest.store_state()


def _load(guest: Guest, names: list[str]) -> None:
    """Load images of this machine into a guest; raises GuestError when they have changed since the start."""
    wanted = dict(guest.image.images)
    docker_cli.copy_images(names, guest.docker_url)
    docker_cli.remove_images_except(list(wanted), guest.docker_url)
    if docker_cli.image_ids(list(wanted)) != wanted:
        raise GuestError("load our images into the guest", "they were rebuilt in the meantime", hint="Try again.")
