"""The files of a guest; its machine is in tests/integration/test_vm.py."""

from pathlib import Path

import pytest

from testbed.vm import guest as guests
from testbed.vm.accel import Accelerator
from testbed.vm.errors import GuestError
from testbed.vm.guest import Guest
from testbed.vm.store import GuestImage


def image(folder: Path) -> GuestImage:
    return GuestImage(
        folder, "bookworm", "bookworm", "6.1.176-1", "6.1.0-50-cloud-amd64", "recipe", {}, "2026-01-01", 1
    )


class Relay:
    """A guest that accepts every request."""

    def send(self, _message: object) -> None: ...
    def set_watchdog(self, _timeout_s: object) -> None: ...

    def expect(self, *_: object) -> dict[str, str]:
        return {"event": "done"}


class Qmp:
    def store(self, path: Path, _timeout_s: float) -> None:
        path.write_text("new")


def test_a_new_state_replaces_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has changed since another qemu saved its own."""
    monkeypatch.setattr(guests, "state_key", lambda *_: "ours")
    monkeypatch.setattr(Guest, "facts", Accelerator("tcg", "", "QEMU"))
    for name in ("state-ours", "state-theirs", "disk.raw"):
        (tmp_path / name).write_text("old")
    guest = Guest(image(tmp_path), keep=True)
    monkeypatch.setattr(guest, "_relay", Relay())
    monkeypatch.setattr(guest, "_qmp", Qmp())
    assert guest.store_state() == tmp_path / "state-ours"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"state-ours": "new", "disk.raw": "old"}


def test_a_cache_that_cannot_be_created_is_a_guest_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(GuestError, match="Not a directory") as caught, Guest(image(tmp_path)):
        pass
    assert str(tmp_path / "file") in caught.value.hint
