"""The project's images, built from the checkout and tagged with the hash of their inputs.

A changed checkout therefore builds again, an unchanged one never, and two checkouts do not overwrite each other's tags.
The inputs are read from the Dockerfile's own COPY lines; the context is a tar archive without times and owners.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from testbed.errors import ContractError, HostError
from testbed.stack.ports import Image, ImageStore

CHECKOUT: Final = Path(__file__).resolve().parents[3]

DOCKERFILES: Final = {
    "client": "Dockerfile.client",
    "server": "Dockerfile.server",
    "cserver": "Dockerfile.cserver",
    "netem": "netem/Dockerfile",
}

IMAGE_LABEL: Final = "testbed.image"

_OURS: Final = re.compile(rf"testbed-({'|'.join(DOCKERFILES)}):[0-9a-f]{{12}}")

_SKIPPED: Final = ("__pycache__",)


def copied(dockerfile: str) -> list[str]:
    """Return the sources of the COPY lines that read from the context, in order."""
    joined = re.sub(r"\\\n", " ", dockerfile)
    sources: list[str] = []
    for line in joined.splitlines():
        words = line.split()
        if not words or words[0].upper() != "COPY":
            continue
        flags = [word for word in words[1:] if word.startswith("--")]
        if not any(flag.startswith("--from=") for flag in flags):
            sources += [word for word in words[1:-1] if not word.startswith("--")]
    return sources


def bases(dockerfile: str) -> list[str]:
    """Return the images of the FROM lines that are not stages of the file."""
    found: list[str] = []
    stages: set[str] = set()
    for line in dockerfile.splitlines():
        words = [word for word in line.split() if not word.startswith("--")]
        if len(words) < 2 or words[0].upper() != "FROM":
            continue
        if words[1] not in stages and words[1] not in found:
            found.append(words[1])
        if len(words) == 4:
            stages.add(words[3])
    return found


def _files(root: Path, source: str) -> Iterator[Path]:
    path = root / source
    if not path.exists():
        raise HostError(f"build from {root}: there is no {source}", hint="is the checkout complete?")
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file() and not any(part in _SKIPPED for part in file.relative_to(root).parts):
            yield file


def context(root: Path, dockerfile: str) -> bytes:
    """Return the build context: the Dockerfile and what it copies, the same bytes for the same files."""
    path = root / dockerfile
    if not path.is_file():
        raise HostError(
            f"testbed is not installed from a checkout ({dockerfile} is missing in {root})",
            hint="clone the project and run `make setup` there",
        )
    files = {path, *(file for source in copied(path.read_text()) for file in _files(root, source))}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(files):
            member = tarfile.TarInfo(str(file.relative_to(root)))
            content = file.read_bytes()
            member.size = len(content)
            member.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


class Images:
    """Images by the names that cells use; builds what is missing, reporting each line to `progress`."""

    def __init__(self, store: ImageStore, progress: Callable[[str], None], root: Path = CHECKOUT) -> None:
        self._store = store
        self._progress = progress
        self._root = root
        self._ready: dict[str, tuple[str, Image]] = {}

    def tag(self, name: str) -> str:
        """Return the tag that this checkout gives the image of this name."""
        return _tag(name, context(self._root, DOCKERFILES[name]))

    def ours(self, name: str) -> tuple[str, Image]:
        """Return tag and image of one of the project's own images, built when the store has none."""
        if name not in self._ready:
            packed = context(self._root, DOCKERFILES[name])
            tag = _tag(name, packed)
            image = self._store.image(tag) or self._build(name, tag, packed)
            self._ready[name] = (tag, image)
        return self._ready[name]

    def foreign(self, name: str) -> tuple[str, Image]:
        """Return an image that is not ours; raises ContractError when the store does not have it."""
        image = self._store.image(name)
        if image is None:
            raise ContractError(f"no such image: {name!r}", hint=f"docker pull {name}, or build it")
        return name, image

    def program(self, program: str, role: str) -> tuple[str, Image]:
        """Return the image that a cell's `py`, `c` or IMAGE names for a role."""
        if program == "py":
            return self.ours(role)
        return self.ours("cserver") if program == "c" else self.foreign(program)

    def outdated(self) -> list[str]:
        """Return the tags that were built from an earlier state of this checkout, or from another checkout."""
        current = {self.tag(name) for name in DOCKERFILES}
        return sorted(
            tag
            for image in self._store.images_with(IMAGE_LABEL)
            for tag in image.tags
            if _OURS.fullmatch(tag) and tag not in current
        )

    def _build(self, name: str, tag: str, packed: bytes) -> Image:
        self._progress(f"build {tag}")
        try:
            for line in self._store.build(packed, DOCKERFILES[name], tag, {IMAGE_LABEL: name}):
                if line.strip():
                    self._progress(f"{name}: {line.strip()}")
        except HostError as error:
            wanted = bases((self._root / DOCKERFILES[name]).read_text())
            missing = [base for base in wanted if self._store.image(base) is None]
            if missing:
                error.hint = f"the base image {', '.join(missing)} is missing: `make setup` provides it"
            raise
        image = self._store.image(tag)
        if image is None:
            raise HostError(f"build {tag}: Docker reports success but has no such image")
        return image


def _tag(name: str, packed: bytes) -> str:
    return f"testbed-{name}:{hashlib.sha256(packed).hexdigest()[:12]}"
