"""Write images into a Docker engine's store without that engine: from `docker save` to the files of overlay2.

An emulated engine takes minutes to load our images, and this takes seconds. The layout is that of moby's image and
layer stores, unchanged since Docker 1.10; the caller checks the result with the engine itself before relying on it.

    image/overlay2/repositories.json                         tag -> image id
    image/overlay2/imagedb/content/sha256/ID                 the image's configuration
    image/overlay2/layerdb/sha256/CHAIN/{diff,cache-id,size,parent}
    overlay2/CACHE-ID/{diff/,link,lower,work/}               the files of a layer, and the layers below it
    overlay2/l/LINK -> ../CACHE-ID/diff                      short names, for the options of mount(2)
"""

import base64
import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from testbed.vm.tree import Tree, clean

ROOT: Final = "var/lib/docker"
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_META: Final = ".wh..wh."
_OPAQUE_XATTR: Final = "SCHILY.xattr.trusted.overlay.opaque"
_LINK_CHARACTERS: Final = 26
_PRIVATE_FOLDER: Final = 0o710
_PRIVATE_FILE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the digests of its content, and of it with all layers below: `parents`, the nearest first."""

    diff: str
    chain: str
    member: str
    parents: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Return the name of its folder in overlay2; any unique name will do."""
        return self.chain


def chain_ids(diffs: Sequence[str]) -> list[str]:
    """Return the digest of each layer together with those below it, in hexadecimal (OCI image-spec, ChainID)."""
    chains: list[str] = []
    for diff in diffs:
        joined = f"sha256:{chains[-1]} {diff}" if chains else diff
        chains.append(hashlib.sha256(joined.encode()).hexdigest() if chains else diff.partition(":")[2])
    return chains


def link_name(chain: str) -> str:
    """Return a layer's short name: 26 letters and digits, as overlay2 makes them."""
    return base64.b32encode(bytes.fromhex(chain)).decode()[:_LINK_CHARACTERS]


def layers_of(config: Mapping[str, Any], names: Sequence[str]) -> list[Layer]:
    """Return the layers of an image, the lowest first, from its configuration and their members in the archive."""
    diffs = [str(diff) for diff in config["rootfs"]["diff_ids"]]
    chains = chain_ids(diffs)
    return [
        Layer(diff, chain, name, tuple(reversed(chains[:number])))
        for number, (diff, chain, name) in enumerate(zip(diffs, chains, names, strict=True))
    ]


def write_store(saved: Path, tree: Tree) -> None:
    """Write the images of a `docker save` archive into a file system; raises TarError, ValueError and KeyError."""
    with tarfile.open(saved, "r:") as archive:
        repositories: dict[str, dict[str, str]] = {}
        written: set[str] = set()
        _write_folders(tree)
        for entry in json.loads(_read(archive, "manifest.json")):
            config = _read(archive, entry["Config"])
            image = hashlib.sha256(config).hexdigest()
            tree.file(f"{ROOT}/image/overlay2/imagedb/content/sha256/{image}", config, _PRIVATE_FILE)
            for tag in entry["RepoTags"] or ():
                repositories.setdefault(tag.rpartition(":")[0], {})[tag] = f"sha256:{image}"
            for layer in layers_of(json.loads(config), entry["Layers"]):
                if layer.chain not in written:
                    written.add(layer.chain)
                    _write_layer(archive, layer, tree)
        names = json.dumps({"Repositories": repositories}).encode()
        tree.file(f"{ROOT}/image/overlay2/repositories.json", names, _PRIVATE_FILE)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    if content is None:
        raise ValueError(f"{name} is not a file")
    return content.read()


def _write_folders(tree: Tree) -> None:
    tree.directory("var/lib")
    for folder in ("", "/image", "/image/overlay2", "/overlay2", "/overlay2/l"):
        tree.directory(f"{ROOT}{folder}", _PRIVATE_FOLDER if folder in ("", "/overlay2", "/overlay2/l") else 0o700)


def _write_layer(archive: tarfile.TarFile, layer: Layer, tree: Tree) -> None:
    overlay = f"{ROOT}/overlay2/{layer.folder}"
    link = link_name(layer.chain)
    tree.directory(overlay, _PRIVATE_FOLDER)
    size_bytes = _write_files(archive, layer.member, f"{overlay}/diff", tree)
    tree.file(f"{overlay}/link", link.encode())
    tree.symlink(f"{ROOT}/overlay2/l/{link}", f"../{layer.folder}/diff")
    if layer.parents:
        tree.file(f"{overlay}/lower", ":".join(f"l/{link_name(parent)}" for parent in layer.parents).encode())
        tree.directory(f"{overlay}/work", 0o700)
    facts = {"diff": layer.diff, "cache-id": layer.folder, "size": str(size_bytes)}
    if layer.parents:
        facts["parent"] = f"sha256:{layer.parents[0]}"
    for name, value in facts.items():
        tree.file(f"{ROOT}/image/overlay2/layerdb/sha256/{layer.chain}/{name}", value.encode())


def _write_files(archive: tarfile.TarFile, name: str, folder: str, tree: Tree) -> int:
    """Write the files of a layer, with its whiteouts as overlayfs has them; return their size."""
    size_bytes = 0
    with _layer(archive, name) as packed:
        opaque = {clean(each).rpartition("/")[0] for each in packed.getnames() if each.rpartition("/")[2] == _OPAQUE}
        for member in packed:
            path = clean(member.name)
            base = path.rpartition("/")[2]
            if base.startswith(_WHITEOUT):
                if not base.startswith(_META):
                    tree.copy(_deleted(path), None, folder)
                continue
            if path in opaque:
                member.pax_headers = {**member.pax_headers, _OPAQUE_XATTR: "y"}
            tree.copy(member, packed.extractfile(member) if member.isreg() else None, folder)
            size_bytes += member.size if member.isreg() else 0
    tree.directory(folder)
    return size_bytes


def _layer(archive: tarfile.TarFile, name: str) -> tarfile.TarFile:
    """Open a layer, which may be compressed, and may be a link to the same layer of another image."""
    content: IO[bytes] | None = archive.extractfile(name)
    if content is None:
        raise ValueError(f"{name} is not a file")
    return tarfile.open(fileobj=content, mode="r:*")


def _deleted(path: str) -> tarfile.TarInfo:
    """Return overlayfs's mark for a deleted path: a character device 0/0."""
    folder, _, base = path.rpartition("/")
    member = tarfile.TarInfo("/".join(part for part in (folder, base.removeprefix(_WHITEOUT)) if part))
    member.type, member.mode, member.devmajor, member.devminor = tarfile.CHRTYPE, 0, 0, 0
    return member
