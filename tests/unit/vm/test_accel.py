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
    found = accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: "")
    assert (found.name, found.qemu) == (KVM, "QEMU 9")


def test_kvm_that_does_not_boot_is_not(kvm: Path) -> None:
    found = accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: "it hangs")
    assert found.name == TCG
    assert "it hangs" in found.reason


def test_no_device_is_not_tried(kvm: Path) -> None:
    (kvm / "kvm").unlink()
    found = accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: pytest.fail("tried"))
    assert found.name == TCG
    assert "no /dev/kvm" in found.reason


def test_the_verdict_holds_until_the_next_boot(kvm: Path) -> None:
    first = accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: "it hangs")
    assert accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: pytest.fail("tried again")) == first
    (kvm / "boot_id").write_text("second\n")
    assert accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: "").name == KVM


@pytest.mark.parametrize("rubbish", ["", "[]", '{"key": 1}', '{"verdict": {}}'])
def test_a_spoilt_memory_is_no_trouble(kvm: Path, rubbish: str) -> None:
    (kvm / "memory").write_text(rubbish)
    assert accel.choose(kvm / "vmlinuz", kvm / "memory", lambda _: "").name == KVM


def test_without_qemu_the_remedy_is_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestError, match="not installed") as caught:
        accel.choose(tmp_path, tmp_path / "memory")
    assert "apt-get install" in caught.value.hint
