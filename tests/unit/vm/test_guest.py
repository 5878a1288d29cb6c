"""The files of a guest; its machine is in tests/integration/test_vm.py."""

from pathlib import Path

import pytest

from testbed.vm.errors import GuestError
from testbed.vm.guest import Guest, replace_states
from testbed.vm.store import GuestImage


def image(folder: Path) -> GuestImage:
    return GuestImage(
        folder, "bookworm", "bookworm", "6.1.176-1", "6.1.0-50-cloud-amd64", "recipe", {}, "2026-01-01", 1
    )


def test_a_new_state_replaces_all_others(tmp_path: Path) -> None:
    """The disk has changed since another qemu saved its state."""
    for name in ("state-ours", "state-theirs", "disk.raw"):
        (tmp_path / name).write_text("old")

    def save(part: Path) -> None:
        part.write_text("new")

    replace_states(image(tmp_path), tmp_path / "state-ours", save)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"state-ours": "new", "disk.raw": "old"}


def test_a_state_that_cannot_be_saved_leaves_the_others(tmp_path: Path) -> None:
    def full(_part: Path) -> None:
        raise GuestError("save a guest's state", "No space left on device")

    (tmp_path / "state-theirs").write_text("old")
    with pytest.raises(GuestError):
        replace_states(image(tmp_path), tmp_path / "state-ours", full)
    assert [path.name for path in tmp_path.iterdir()] == ["state-theirs"]


def test_a_cache_that_cannot_be_created_is_a_guest_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(GuestError, match="Not a directory") as caught, Guest(image(tmp_path)):
        pass
    assert str(tmp_path / "file") in caught.value.hint
