from dataclasses import replace
from pathlib import Path

import pytest

from testbed.vm.qemu import KVM, TCG, Descriptors, QemuMachine, command, state_key

MACHINE = QemuMachine(Path("/c/vmlinuz"), Path("/c/initrd"), Path("/c/disk,1.raw"), TCG)
SOCKETS = Descriptors(port=5, console=6, control=7)


def after(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_the_guest_has_no_network_and_nothing_of_the_host() -> None:
    argv = command(MACHINE, SOCKETS)
    assert "-nodefaults" in argv
    assert not {"-net", "-netdev", "-nic", "-virtfs", "-fsdev", "-daemonize"} & set(argv)
    assert not [device for device in after(argv, "-device") if "net" in device or "9p" in device]


def test_the_disk_is_an_overlay_unless_it_is_to_be_kept() -> None:
    assert "snapshot=on" in after(command(MACHINE, SOCKETS), "-drive")[0]
    assert "snapshot=off" in after(command(replace(MACHINE, keep=True), SOCKETS), "-drive")[0]


def test_a_comma_in_a_path_is_no_option() -> None:
    assert after(command(MACHINE, SOCKETS), "-drive")[0].startswith("file=/c/disk,,1.raw,")


@pytest.mark.parametrize(("name", "cpu"), [(TCG, "max,-cx16,-erms,-fsrm"), (KVM, "host")])
def test_the_accelerator(name: str, cpu: str) -> None:
    argv = command(replace(MACHINE, accelerator=name), SOCKETS)
    assert after(argv, "-accel")[0].split(",")[0] == name
    assert after(argv, "-cpu") == [cpu]


def test_only_an_emulated_kernel_has_other_options_than_debians() -> None:
    appended = {name: after(command(replace(MACHINE, accelerator=name), SOCKETS), "-append") for name in (TCG, KVM)}
    assert appended[KVM] == ["console=ttyS0 panic=-1"]
    assert "mitigations=off" in appended[TCG][0].split()


def test_a_shell_is_a_second_serial_line() -> None:
    assert len(after(command(MACHINE, SOCKETS), "-serial")) == 1
    argv = command(replace(MACHINE, shell=True), replace(SOCKETS, shell=9))
    assert after(argv, "-serial") == ["chardev:console", "chardev:shell"]
    assert "testbed.shell" in after(argv, "-append")[0]


def test_a_state_is_waited_for() -> None:
    assert "-incoming" not in command(MACHINE, SOCKETS)
    assert after(command(replace(MACHINE, state=Path("/c/state")), SOCKETS), "-incoming") == ["defer"]


def test_a_state_fits_the_same_machine_only() -> None:
    key = state_key(MACHINE, "qemu 7")
    assert state_key(replace(MACHINE, keep=True, state=Path("/x")), "qemu 7") == key
    others = [replace(MACHINE, cpus=3), replace(MACHINE, memory_mib=1), replace(MACHINE, accelerator=KVM)]
    keys = {key, state_key(MACHINE, "qemu 8"), *(state_key(other, "qemu 7") for other in others)}
    assert len(keys) == 5
