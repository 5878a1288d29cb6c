import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.vm.errors import GuestError
from testbed.vm.store import (
    GuestImage,
    cache_dir,
    drop_part,
    find_image,
    hold,
    list_images,
    make_part,
    remove_image,
    remove_parts,
)


def made(cache: Path, name: str, **changes: object) -> GuestImage:
    folder = cache / name
    folder.mkdir(parents=True)
    image = GuestImage(
        folder=folder,
        kernel="bookworm",
        suite="bookworm",
        version="6.1.176-1",
        release="6.1.0-50-cloud-amd64",
        recipe="r",
        images={"testbed-client": "sha256:1"},
        built_at="2026-01-01T00:00:00+00:00",
        build_s=1.5,
        packages=("docker.io 26", "iproute2 6"),
    )
    image = replace(image, **changes)  # type: ignore[arg-type]
    image.write()
    return image


def test_the_cache_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir({"XDG_CACHE_HOME": "/x"}) == Path("/x/testbed/vm")
    monkeypatch.setenv("HOME", "/elsewhere/a")
    assert cache_dir({}) == cache_dir({"XDG_CACHE_HOME": "relative"}) == Path("/elsewhere/a/.cache/testbed/vm")


def test_a_manifest_is_read_back(tmp_path: Path) -> None:
    image = made(tmp_path, "a")
    assert list_images(tmp_path) == [image]
    assert list_images(tmp_path)[0].packages == image.packages


def test_an_incomplete_folder_is_no_image(tmp_path: Path) -> None:
    made(tmp_path, "whole")
    made(tmp_path, ".part-being-made-over")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text('{"kernel": "x"}')
    (tmp_path / "accelerator.json").write_text("{}")
    assert [image.name for image in list_images(tmp_path)] == ["whole"]
    assert list_images(tmp_path / "none") == []


def test_the_newest_that_is_meant(tmp_path: Path) -> None:
    made(tmp_path, "new", built_at="2026-02-01T00:00:00+00:00")
    made(tmp_path, "old")
    made(tmp_path, "other", kernel="trixie", suite="trixie", version="6.12.107-1", built_at="2026-03-01T00:00:00+00:00")
    assert find_image(tmp_path, "bookworm").name == "new"
    assert find_image(tmp_path, "6.1").name == "new"
    for version in ("6.12", "6.12.107", "6.12.107-1"):
        assert find_image(tmp_path, version).name == "other"
    assert find_image(tmp_path, "old").name == "old"
    with pytest.raises(GuestError) as caught:
        find_image(tmp_path, "sid")
    assert caught.value.hint == "testbed vm build --kernel sid"


def test_a_removed_image_is_gone(tmp_path: Path) -> None:
    image = made(tmp_path, "a")
    image.disk.write_bytes(b"x" * 5000)
    assert image.size_bytes >= 5000
    remove_image(image)
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import sys
from pathlib import Path
from testbed.vm.store import GuestImage, hold
print(hold(GuestImage.read(Path(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


def test_an_image_in_use_is_not_removed(tmp_path: Path) -> None:
    image = made(tmp_path, "a")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(image.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert not remove_image(image)
        assert list_images(tmp_path) == [image]
        holder.communicate()
    assert remove_image(image)
    assert not hold(image)


BUILDER = """
import sys
from pathlib import Path
from testbed.vm.store import make_part
(make_part(Path(sys.argv[1])) / "disk.raw").touch()
print("made", flush=True)
sys.stdin.read()
"""


def test_the_folder_of_a_running_build_is_not_removed(tmp_path: Path) -> None:
    made(tmp_path, "a")
    with subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == b"made\n"
        assert remove_parts(tmp_path) == 0
        assert len(list(tmp_path.glob(".part-*/disk.raw"))) == 1
        builder.kill()
    assert remove_parts(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_part_that_became_an_image_stays(tmp_path: Path) -> None:
    part = make_part(tmp_path / "new")
    final = part.rename(tmp_path / "new" / "image")
    drop_part(part)
    assert final.exists()
