"""Guest images in the user's cache: one folder each, with a disk, a kernel, a saved state and a manifest."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from testbed.vm.errors import GuestError
from testbed.vm.kernels import DebianKernel, is_named

_MANIFEST: Final = "manifest.json"
_PART_PREFIX: Final = ".part-"

_held: Final[dict[Path, int]] = {}
"""The locks on the folders that this process uses or fills; the system releases them when it exits."""


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of all guest images, according to the XDG base directory specification."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "testbed" / "vm"


@dataclass(frozen=True, slots=True)
class GuestImage:
    """One guest image; `recipe` is the hash of what it is made with, `images` are the names and ids inside."""

    folder: Path
    kernel: str
    suite: str
    version: str
    release: str
    recipe: str
    images: Mapping[str, str]
    built_at: str
    build_s: float
    packages: tuple[str, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """Return the name that `testbed vm list` shows and `testbed vm rm` accepts."""
        return self.folder.name

    @property
    def disk(self) -> Path:
        """Return the raw disk."""
        return self.folder / "disk.raw"

    @property
    def vmlinuz(self) -> Path:
        """Return the kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Return the initial RAM disk."""
        return self.folder / "initrd"

    def state(self, key: str) -> Path:
        """Return the path of the saved state with this key, whether it exists or not."""
        return self.folder / f"state-{key}"

    def states(self) -> list[Path]:
        """Return all saved states."""
        return list(self.folder.glob(self.state("*").name))

    @property
    def size_bytes(self) -> int:
        """Return the allocated size on the disk, without holes."""
        return sum(file.stat().st_blocks * 512 for file in self.folder.iterdir())

    def write(self) -> None:
        """Write the manifest, without which an image is ignored."""
        facts = {key: value for key, value in asdict(self).items() if key != "folder"}
        (self.folder / _MANIFEST).write_text(json.dumps(facts, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read an image's manifest; raises OSError, ValueError and TypeError when there is no complete one."""
        facts = json.loads((folder / _MANIFEST).read_text())
        return cls(folder=folder, **{**facts, "packages": tuple(facts["packages"])})


def list_images(cache: Path) -> list[GuestImage]:
    """Return all images, the newest last; folders without a complete image are ignored."""
    found = []
    # The hidden folder of an unfinished image may contain the manifest of the one that it replaces.
    for folder in cache.glob("[!.]*") if cache.is_dir() else ():
        try:
            found.append(GuestImage.read(folder))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return sorted(found, key=lambda image: image.built_at)


def matches(image: GuestImage, kernel: str) -> bool:
    """Return whether `kernel` is the name of an image, or a name of its kernel."""
    return kernel == image.name or is_named(kernel, DebianKernel(image.kernel, image.suite, image.version))


def find_image(cache: Path, kernel: str) -> GuestImage:
    """Return the newest image of a kernel; raises GuestError."""
    for image in reversed(list_images(cache)):
        if matches(image, kernel):
            return image
    raise GuestError(f"find a guest with kernel {kernel}", "no such image", hint=f"testbed vm build --kernel {kernel}")


def hold(image: GuestImage) -> bool:
    """Protect an image from removal until this process exits; return False when it has been removed already."""
    if image.folder not in _held:
        try:
            _held[image.folder] = _lock(image.folder, fcntl.LOCK_SH)
        except OSError:
            return False
    return (image.folder / _MANIFEST).exists()


def remove_image(image: GuestImage) -> bool:
    """Remove an image; return False, and keep it, when a process uses it."""
    try:
        lock = _lock(image.folder, fcntl.LOCK_EX)
    except BlockingIOError:
        return False
    try:
        (image.folder / _MANIFEST).unlink()
        shutil.rmtree(image.folder)
    finally:
        os.close(lock)
    return True


def make_part(cache: Path) -> Path:
    """Create a folder for an unfinished image, locked until it is dropped or this process exits."""
    cache.mkdir(parents=True, exist_ok=True)
    while True:
        part = Path(tempfile.mkdtemp(prefix=_PART_PREFIX, dir=cache))
        with suppress(FileNotFoundError, BlockingIOError):  # removed as a leftover before it was locked
            _held[part] = _lock(part, fcntl.LOCK_SH)
            if part.exists():
                return part
            os.close(_held.pop(part))


def drop_part(part: Path) -> None:
    """Remove the folder of an unfinished image; one that was finished has been renamed."""
    shutil.rmtree(part, ignore_errors=True)
    os.close(_held.pop(part))


def remove_parts(cache: Path) -> int:
    """Remove the leftovers of killed builds; return how many there were."""
    removed = 0
    for part in cache.glob(f"{_PART_PREFIX}*"):
        with suppress(OSError):  # a build is writing it, or another process is removing it
            lock = _lock(part, fcntl.LOCK_EX)
            shutil.rmtree(part, ignore_errors=True)
            os.close(lock)
            removed += 1
    return removed


def _lock(folder: Path, operation: int) -> int:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
