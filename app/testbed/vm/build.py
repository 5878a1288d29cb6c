"""Build a guest image: Debian's packages to a disk, booted to fill its Docker store, and again to store its state.

Each image is written in a folder of its own and appears in the cache whole, by a rename.
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
from testbed.vm.kernels import SUITES, Kernel, parse_list, select
from testbed.vm.store import (
    Image,
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


def _inputs() -> dict[str, Path]:
    """Return all files that a guest is made with, by their place in the build's context."""
    files = {file.name: file for file in sorted(_RECIPE.iterdir()) if file.is_file()}
    files["testbed/__init__.py"] = _HERE.parent / "__init__.py"
    return files | {f"testbed/vm/{name}": _HERE / name for name in _AGENT}


def recipe_hash() -> str:
    """Return a short hash of all that a guest is made with, other than packages and images."""
    total = hashlib.sha256(str(DISK_MIB).encode())
    for name, file in _inputs().items():
        total.update(f"\0{name}\0".encode() + file.read_bytes())
    return total.hexdigest()[:12]


@contextmanager
def _context() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="testbed-vm-") as folder:
        for name, file in _inputs().items():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        yield Path(folder)


def look_up_kernels(on_line: Progress = ignore) -> list[Kernel]:
    """Return the kernels that Debian offers today; raises GuestError."""
    arguments = {"SUITES": " ".join(SUITES.values()), "LOOKED_UP": datetime.now(UTC).date().isoformat()}
    with _context() as context:
        docker_cli.build(context, "kernels.Dockerfile", _KERNELS_TAG, arguments, on_line)
    return parse_list(docker_cli.read_file(_KERNELS_TAG, "/kernels.txt"))


def _of_today(kernel: str) -> list[Image]:
    """Return the images of a kernel that were made with today's recipe, the newest first."""
    recipe = recipe_hash()
    found = [image for image in list_images(cache_dir()) if matches(image, kernel) and image.recipe == recipe]
    return found[::-1]


def ensure(
    kernel: str, images: Sequence[str] = IMAGES, progress: Progress = ignore, on_line: Progress = ignore
) -> Image:
    """Return a guest image of a kernel with exactly these of our images in it; raises GuestError.

    One that is there is taken as it is, without asking whether Debian has a newer kernel; one that holds other images
    is made over, which takes a fifth of the time that a new one takes. Nobody removes it while this process lives.
    """
    qemu_version()
    ids = docker_cli.image_ids(images)
    there = _of_today(kernel)
    for image in there:
        if dict(image.images) == ids and hold(image):
            return image
    there = [image for image in there if hold(image)]
    if not there:
        return build(kernel, images, progress, on_line)
    start_s = time.monotonic()
    with _part() as part:
        progress(f"copying {there[0].name}")
        _copy_disk(there[0], part)
        image = replace(there[0], folder=part, images=ids)
        _refill(image, [name for name in ids if there[0].images.get(name) != ids[name]], progress)
        return _finish(image, start_s)


def build(
    kernel: str, images: Sequence[str] = IMAGES, progress: Progress = ignore, on_line: Progress = ignore
) -> Image:
    """Build a guest image of Debian's newest kernel of a name or version, from nothing; raises GuestError."""
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
    """Lend a folder beside the images, to be renamed to one; it is removed when it is not."""
    cache = cache_dir()
    remove_parts(cache)
    part = make_part(cache)
    try:
        yield part
    except OSError as error:
        raise GuestError("build a guest", str(error), hint=f"Is there room in {cache}?") from error
    finally:
        drop_part(part)


def _finish(image: Image, start_s: float) -> Image:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    image = replace(image, build_s=round(time.monotonic() - start_s, 1), built_at=now)
    image.write()
    final = image.folder.with_name(_name(image))
    if final.exists():
        shutil.rmtree(final)
    made = replace(image, folder=image.folder.rename(final))
    hold(made)
    for old in superseded(list_images(image.folder.parent), image.kernel):
        remove_image(old)
    return made


def superseded(images: Sequence[Image], kernel: str) -> list[Image]:
    """Return the images of a kernel that are more than the newest few, of which each checkout may use another."""
    return [image for image in images if image.kernel == kernel][:-KEPT_PER_KERNEL]


def _copy_disk(image: Image, target: Path) -> None:
    """Copy an image's files, the disk with its holes."""
    files = [str(file) for file in image.folder.iterdir()]
    done = subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", *files, str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(done.stderr.strip())


def _name(image: Image) -> str:
    key = hashlib.sha256(
        "\0".join(
            [image.recipe, *sorted(f"{name} {id_}" for name, id_ in image.images.items()), *image.packages]
        ).encode()
    ).hexdigest()
    return f"{image.kernel}-{image.version}-{key[:8]}"


def _make_disk(part: Path, kernel: Kernel, ids: dict[str, str], progress: Progress, on_line: Progress) -> Image:
    tag = f"testbed-vm-guest:{kernel.name}"
    with _context() as context:
        progress(f"getting Debian's packages and kernel {kernel.version}")
        arguments = {"SUITE": kernel.suite, "VERSION": kernel.version}
        docker_cli.build(context, "guest.Dockerfile", tag, arguments, on_line)
        docker_cli.build(context, "maker.Dockerfile", _MAKER_TAG, {}, on_line)
    progress("writing the disk")
    disk_id = uuid.uuid5(uuid.NAMESPACE_URL, f"testbed {recipe_hash()} {kernel.version}")
    docker_cli.write_disk(tag, [_MAKER_TAG, str(DISK_MIB), str(disk_id)], lambda stream: _unpack(stream, part))
    for name in ("vmlinuz", "initrd"):
        docker_cli.copy_out(tag, f"/boot/{name}", part / name)
    return Image(
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
    """Write the disk from its tar stream, with its holes."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name == "disk.raw":
                archive.extract(member, folder, filter="data")
    while stream.read(1 << 16):
        pass


def _fill(image: Image, progress: Progress) -> str:
    """Boot the disk to put our images in, and again, clean, to store the state to resume from; return the release."""
    names = list(image.images)
    with Guest(image, keep=True, progress=progress) as guest:
        progress(f"loading {len(names)} images ({guest.facts.boot_s:.0f} s to boot)")
        _load(guest, names)
        release = guest.facts.kernel
        guest.power_off()
    with Guest(image, keep=True, progress=progress) as guest:
        progress("storing the state to resume from, warmed up")
        docker_cli.try_images(names, guest.docker_url)
        guest.store_state()
    return release


def _refill(image: Image, changed: list[str], progress: Progress) -> None:
    """Put changed images into a disk that holds the others, and store the state anew."""
    with Guest(image, keep=True, progress=progress) as guest:
        progress(f"loading {len(changed)} images")
        _load(guest, changed)
        progress("storing the state to resume from, warmed up")
        docker_cli.try_images(changed, guest.docker_url)
        guest.store_state()


def _load(guest: Guest, names: list[str]) -> None:
    """Load images of this machine into a guest; raises GuestError when they are no longer what the guest is for."""
    wanted = dict(guest.image.images)
    docker_cli.copy_images(names, guest.docker_url)
    docker_cli.remove_images_except(list(wanted), guest.docker_url)
    if docker_cli.image_ids(list(wanted)) != wanted:
        raise GuestError("load our images into the guest", "they were built anew meanwhile", hint="Try again.")
