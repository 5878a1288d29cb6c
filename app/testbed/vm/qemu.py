"""The command line of qemu for a guest's machine. No I/O here.

The machine has a disk, a console and one port to the host; it has no network device, so that a guest can reach nothing,
and no folder of the host. Its disk is opened as a temporary overlay, whose file qemu unlinks when it creates it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = "qemu-system-x86_64"
INSTALL: Final = "Install qemu (Debian: apt-get install --no-install-recommends qemu-system-x86) and try again."
TCG: Final = "tcg"
KVM: Final = "kvm"

_ACCELERATOR_OPTIONS: Final = {TCG: "tcg,thread=multi,tb-size=512", KVM: "kvm"}
# Without cmpxchg16b: under QEMU 7.2, on a busy host, 2 of 3 boots of Linux 6.12 panicked with it, and none
# without it. In one panic the flags were the low bits of RAX, as if that instruction had set them wrong; not proven.
# Without erms: with it Linux copies and clears memory by `rep movsb` and `rep stosb`, which TCG executes byte by byte.
_CPU: Final = {TCG: "max,-cx16,-erms,-fsrm", KVM: "host"}  # a guest with `max` boots in 9.5 s, with Nehalem in 14 s
_BOOT: Final = "console=ttyS0 panic=-1"
# What protects users of one kernel from each other costs an emulated guest a third of its boot, and protects nothing
# there: it has no network, no other user, and ends with its run. With KVM the kernel stays as Debian configures it.
_KERNEL_OPTIONS: Final = {TCG: " mitigations=off init_on_alloc=0 norandmaps nokaslr audit=0", KVM: ""}


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The inherited file descriptors of qemu's connections: sockets that are connected already."""

    port: int
    console: int
    control: int
    shell: int | None = None


@dataclass(frozen=True, slots=True)
class QemuMachine:
    """One guest's machine; `state` is a saved state to restore; `keep` writes to the disk itself."""

    kernel: Path
    initrd: Path
    disk: Path
    accelerator: str
    cpus: int = 2
    memory_mib: int = 1024
    keep: bool = False
    shell: bool = False
    state: Path | None = None


def _quote(path: Path) -> str:
    """Return a path as a value in one of qemu's option lists, where commas are doubled."""
    return str(path).replace(",", ",,")


def _board(machine: QemuMachine) -> list[str]:
    return [
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"),
        *("-accel", _ACCELERATOR_OPTIONS[machine.accelerator], "-cpu", _CPU[machine.accelerator]),
        *("-smp", str(machine.cpus), "-m", f"{machine.memory_mib}M"),
        *("-append", _BOOT + _KERNEL_OPTIONS[machine.accelerator] + (" testbed.shell" if machine.shell else "")),
        *("-device", "virtio-blk-pci,drive=disk"),
        *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port,name=testbed"),
        *("-device", "virtio-rng-pci", "-device", "vmgenid,guid=auto"),
    ]


def command(machine: QemuMachine, descriptors: Descriptors) -> list[str]:
    """Return the command line of a machine."""
    snapshot = "off" if machine.keep else "on"
    disk = f"file={_quote(machine.disk)},format=raw,if=none,id=disk,snapshot={snapshot},cache=unsafe,discard=unmap"
    argv = [
        *(PROGRAM, *_board(machine), "-kernel", str(machine.kernel), "-initrd", str(machine.initrd)),
        *("-drive", f"{disk},werror=enospc,rerror=report"),  # stop when the host's disk is full, and for no other error
        *("-chardev", f"socket,id=port,fd={descriptors.port}"),
        *("-chardev", f"socket,id=console,fd={descriptors.console}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=control,fd={descriptors.control}", "-mon", "chardev=control,mode=control"),
    ]
    if descriptors.shell is not None:
        argv += ["-chardev", f"socket,id=shell,fd={descriptors.shell}", "-serial", "chardev:shell"]
    if machine.state is not None:
        argv += ["-incoming", "defer"]
    return argv


def state_key(machine: QemuMachine, qemu_version: str) -> str:
    """Return a short hash of what a saved state depends on: the board and the version of qemu."""
    return hashlib.sha256("\0".join([qemu_version, *_board(machine)]).encode()).hexdigest()[:12]
