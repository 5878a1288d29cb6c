"""Build a guest image: a disk, and the saved state of a guest that has booted from it and started each image once.

Each image is written to a folder of its own and appears in the cache complete, by a rename.
"""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from testbed.stack import docker_cli
from testbed.vm.accel import qemu_version
from testbed.vm.disk import make_disk, recipe_hash
from testbed.vm.errors import GuestError
from testbed.vm.guest import Guest, Progress, ignore
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
        changed = [name for name in ids if existing[0].images.get(name) != ids[name]]
        image = replace(existing[0], folder=part, images=ids)
        refill(image, changed, progress)
        return _finish(image, start_s)


def build(
    kernel: str, images: Sequence[str] = IMAGES, progress: Progress = ignore, on_line: Progress = ignore
) -> GuestImage:
    """Build a new guest image of Debian's newest kernel with a name or version; raises HostError."""
    start_s = time.monotonic()
    qemu_version()
    ids = docker_cli.image_ids(images)
    with _part() as part:
        made = make_disk(part, kernel, ids, progress, on_line)
        image = GuestImage(
            folder=part,
            kernel=made.kernel.name,
            suite=made.kernel.suite,
            version=made.kernel.version,
            release="",
            recipe=recipe_hash(),
            images=ids,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
            build_s=0,
            packages=made.packages,
        )
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


def _fill(image: GuestImage, progress: Progress) -> str:
    """Boot a new disk and save the state; return the kernel release.

    Our images are on the disk; those that the guest's engine does not find there are loaded.
    """
    with Guest(image, keep=True, progress=progress) as guest:
        present = docker_cli.image_tags(guest.docker_url)
        missing = [name for name in image.images if name not in present and f"{name}:latest" not in present]
        if missing:
            progress(f"loading {len(missing)} images, which the guest's engine does not find on its disk")
            _load(guest, missing)
        _save_state(guest, list(image.images), progress)
        return guest.facts.kernel


def refill(image: GuestImage, changed: list[str], progress: Progress) -> None:
    """Load changed images into a disk that has the others, and save a new state."""
    with Guest(image, keep=True, progress=progress) as guest:
        progress(f"loading {len(changed)} images")
        _load(guest, changed)
        _save_state(guest, changed, progress)


def _save_state(guest: Guest, names: list[str], progress: Progress) -> None:
    progress("saving the state after a warm-up")
    docker_cli.try_images(names, guest.docker_url)
    guest.store_state()


def _load(guest: Guest, names: list[str]) -> None:
    """Load images of this machine into a guest; raises GuestError when they have changed since the start."""
    wanted = dict(guest.image.images)
    docker_cli.copy_images(names, guest.docker_url)
    docker_cli.remove_images_except(list(wanted), guest.docker_url)
    if docker_cli.image_ids(list(wanted)) != wanted:
        raise GuestError("load our images into the guest", "they were rebuilt in the meantime", hint="Try again.")
