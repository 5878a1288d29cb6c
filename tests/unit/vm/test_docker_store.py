import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from testbed.vm.docker_store import ROOT, chain_ids, link_name, write_store
from testbed.vm.tree import Tree

SHARED = {"etc/": None, "etc/a": b"a", "etc/b": b"b", "opt/": None, "opt/c": b"c"}
OWN = {"etc/": None, "etc/.wh.a": b"", "opt/": None, "opt/.wh..wh..opq": b"", "opt/d": b"dd", ".wh..wh.plnk/": None}


def layer(files: dict[str, bytes | None]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            if data is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            else:
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config(*layers: bytes) -> bytes:
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest(each) for each in layers]}}).encode()


def saved_images(target: Path) -> None:
    """Write two images that share a layer, as `docker save` does: the second has a link to it, and a compressed one."""
    shared, own = layer(SHARED), layer(OWN)
    with tarfile.open(target, "w") as archive:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))

        add("1/layer.tar", shared)
        link = tarfile.TarInfo("2/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../1/layer.tar"
        archive.addfile(link)
        add("3/layer.tar", gzip.compress(own))
        add("c.json", config(shared))
        add("n.json", config(shared, own))
        entries = [
            {"Config": "c.json", "RepoTags": ["testbed-client:1"], "Layers": ["1/layer.tar"]},
            {"Config": "n.json", "RepoTags": ["a:5000/netem:1"], "Layers": ["2/layer.tar", "3/layer.tar"]},
        ]
        add("manifest.json", json.dumps(entries).encode())


@pytest.fixture
def store(tmp_path: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    saved_images(tmp_path / "saved.tar")
    out = io.BytesIO()
    with Tree(out) as tree:
        write_store(tmp_path / "saved.tar", tree)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            found[member.name.removeprefix(f"{ROOT}/")] = member, content.read() if content else b""
    return found


def test_chain_ids_are_those_of_the_specification() -> None:
    one, two = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    assert chain_ids([one]) == ["1" * 64]
    expected = hashlib.sha256(f"{one} {two}".encode()).hexdigest()
    assert chain_ids([one, two]) == ["1" * 64, expected]
    three = hashlib.sha256(f"sha256:{expected} {one}".encode()).hexdigest()
    assert chain_ids([one, two, one])[2] == three


def test_images_have_their_names_and_configurations(store: Any) -> None:
    both = [config(layer(SHARED)), config(layer(SHARED), layer(OWN))]
    names = json.loads(store["image/overlay2/repositories.json"][1])["Repositories"]
    assert names == {
        "testbed-client": {"testbed-client:1": digest(both[0])},
        "a:5000/netem": {"a:5000/netem:1": digest(both[1])},
    }
    for each in both:
        assert store[f"image/overlay2/imagedb/content/sha256/{digest(each).partition(':')[2]}"][1] == each


def test_layers_are_chained(store: Any) -> None:
    lower, upper = chain_ids([digest(layer(SHARED)), digest(layer(OWN))])
    facts = {
        name.rpartition("/")[2]: data.decode()
        for name, (member, data) in store.items()
        if name.startswith(f"image/overlay2/layerdb/sha256/{upper}/") and member.isreg()
    }
    assert facts == {"diff": digest(layer(OWN)), "cache-id": upper, "size": "2", "parent": f"sha256:{lower}"}
    assert f"image/overlay2/layerdb/sha256/{lower}/parent" not in store
    assert store[f"overlay2/{upper}/lower"][1].decode() == f"l/{link_name(lower)}"
    assert f"overlay2/{lower}/lower" not in store
    for chain in (lower, upper):
        assert store[f"overlay2/{chain}/link"][1].decode() == link_name(chain)
        assert store[f"overlay2/l/{link_name(chain)}"][0].linkname == f"../{chain}/diff"
    assert len({len(link_name(chain)) for chain in (lower, upper)} | {26}) == 1


def test_deleted_files_are_marked_as_overlayfs_marks_them(store: Any) -> None:
    _, upper = chain_ids([digest(layer(SHARED)), digest(layer(OWN))])
    diff = f"overlay2/{upper}/diff"
    inside = {name.removeprefix(diff) for name in store if name.startswith(diff)}
    assert inside == {"", "/etc", "/etc/a", "/opt", "/opt/d"}
    deleted = store[f"{diff}/etc/a"][0]
    assert (deleted.ischr(), deleted.devmajor, deleted.devminor) == (True, 0, 0)
    assert store[f"{diff}/opt"][0].pax_headers["SCHILY.xattr.trusted.overlay.opaque"] == "y"
    assert store[f"{diff}/etc"][0].pax_headers.get("SCHILY.xattr.trusted.overlay.opaque") is None


def test_each_layer_is_written_once(store: Any) -> None:
    assert len([name for name in store if name.endswith("/diff/etc/b")]) == 1
