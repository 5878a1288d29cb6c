from dataclasses import replace
from pathlib import Path

import pytest

from testbed.stack import docker_cli
from testbed.vm import build as builder
from testbed.vm.build import KEPT_PER_KERNEL, ensure, superseded
from testbed.vm.disk import recipe_hash
from testbed.vm.store import GuestImage

IDS = {"testbed-client:1": "sha256:c", "testbed-netem:1": "sha256:n"}


def image(folder: Path, **changes: object) -> GuestImage:
    folder.mkdir(parents=True, exist_ok=True)
    made = GuestImage(
        folder=folder,
        kernel="bookworm",
        suite="bookworm",
        version="6.1.176-1",
        release="6.1.0-50-cloud-amd64",
        recipe=recipe_hash(),
        images=IDS,
        built_at="2026-01-01T00:00:00+00:00",
        build_s=1,
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    made.write()
    return made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(builder, "qemu_version", lambda: "QEMU")
    monkeypatch.setattr(docker_cli, "image_ids", lambda names, host="": {name: IDS[name] for name in names})
    monkeypatch.setattr(builder, "build", lambda *_: "built")
    return tmp_path / "testbed" / "vm"


def test_an_image_with_current_inputs_is_reused(cache: Path) -> None:
    existing = image(cache / "a")
    assert ensure("bookworm", list(IDS)) == existing
    assert ensure("6.1", list(IDS)) == existing


def test_another_kernel_or_another_recipe_is_built(cache: Path) -> None:
    image(cache / "a", recipe="old")
    assert ensure("bookworm", list(IDS)) == "built"
    assert ensure("trixie", list(IDS)) == "built"


def test_changed_images_of_ours_are_replaced_in_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = image(cache / "a", images=IDS | {"testbed-netem:1": "sha256:0"})
    for file in (old.disk, old.vmlinuz, old.initrd, old.state("x")):
        file.write_bytes(file.name.encode())
    filled = []
    monkeypatch.setattr(
        builder, "refill", lambda made, changed, _: filled.append((len(list(made.folder.iterdir())), changed))
    )
    made = ensure("bookworm", list(IDS))
    assert filled == [(5, ["testbed-netem:1"])], "only what has changed is loaded"
    assert dict(made.images) == IDS
    assert {path.name for path in cache.iterdir()} == {made.name, "a"}, "another checkout may use the old one"


def test_the_same_image_refilled_is_not_removed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = image(cache / "a", images={"testbed-client:1": "sha256:0"})
    monkeypatch.setattr(builder, "refill", lambda *_: None)
    monkeypatch.setattr(builder, "image_name", lambda _: old.name)
    assert ensure("bookworm", list(IDS)).folder == old.folder
    assert old.folder.exists()


def test_a_failure_leaves_nothing_half_done(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = image(cache / "a", images={"testbed-client:0": "sha256:0"})
    for file in (old.disk, old.vmlinuz, old.initrd):
        file.touch()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(builder, "refill", full)
    with pytest.raises(builder.GuestError, match="No space left") as caught:
        ensure("bookworm", list(IDS))
    assert str(cache) in caught.value.hint
    assert [path.name for path in cache.iterdir()] == ["a"]


def test_only_the_newest_few_of_a_kernel_are_kept(cache: Path) -> None:
    images = [image(cache / f"{n}", built_at=f"2026-01-0{n}T00:00:00+00:00") for n in range(1, KEPT_PER_KERNEL + 3)]
    other = image(cache / "other", kernel="trixie")
    assert superseded([other, *images], "bookworm") == images[:2]


def test_an_image_removed_by_another_process_is_not_reused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(cache / "a")
    monkeypatch.setattr(builder, "hold", lambda _: False)
    assert ensure("bookworm", list(IDS)) == "built"
