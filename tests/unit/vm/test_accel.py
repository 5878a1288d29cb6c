import stat
from pathlib import Path

import pytest

from testbed.vm import accel
from testbed.vm.errors import GuestError
from testbed.vm.qemu import KVM, PROGRAM, TCG


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with /dev/kvm, a qemu of some version, and a boot id."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accel, "_DEVICE", device)
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("first\n")
    monkeypatch.setattr(accel, "_BOOT_ID", boot_id)
    program = tmp_path / PROGRAM
    program.write_text("#!/bin/sh\necho QEMU 9\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_kvm_that_boots_is_used(kvm: Path) -> None:
    found = accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: "")
    assert (found.name, found.qemu) == (KVM, "QEMU 9")


def test_kvm_that_does_not_boot_is_not_used(kvm: Path) -> None:
    found = accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: "it hangs")
    assert found.name == TCG
    assert "it hangs" in found.reason


def test_without_the_device_nothing_is_probed(kvm: Path) -> None:
    (kvm / "kvm").unlink()
    found = accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: pytest.fail("probed"))
    assert found.name == TCG
    assert "/dev/kvm does not exist" in found.reason


def test_the_verdict_is_cached_until_the_next_boot(kvm: Path) -> None:
    first = accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: "it hangs")
    assert accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: pytest.fail("probed again")) == first
    (kvm / "boot_id").write_text("second\n")
    assert accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: "").name == KVM


@pytest.mark.parametrize("garbage", ["", "[]", '{"key": 1}', '{"verdict": {}}'])
def test_an_invalid_cache_is_ignored(kvm: Path, garbage: str) -> None:
    (kvm / "cache").write_text(garbage)
    assert accel.choose(kvm / "vmlinuz", kvm / "cache", lambda _: "").name == KVM


def test_without_qemu_the_hint_is_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestError, match="not installed") as caught:
        accel.choose(tmp_path, tmp_path / "cache")
    assert "apt-get install" in caught.value.hint
