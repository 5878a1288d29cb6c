"""Find out whether KVM can run a kernel here. Only trying tells: /dev/kvm may be there, and a guest still hang.

The kernel itself is the probe: without a disk it panics within a second of its start, and with `panic=-1` that ends
the machine. What came out holds for a kernel until the host is booted again.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from testbed.vm.errors import GuestError
from testbed.vm.qemu import INSTALL, KVM, PROGRAM, TCG

PROBE_S: Final = 4.0  # with KVM the probe takes 0.5 s; a machine under load gets some more
_DEVICE: Final = Path("/dev/kvm")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Name what runs the guest's code, why it was chosen, and the qemu it was tried with."""

    name: str
    reason: str
    qemu: str


def qemu_version() -> str:
    """Return the first line that qemu says of its version; raises GuestError when there is no qemu."""
    if shutil.which(PROGRAM) is None:
        raise GuestError(f"run {PROGRAM}", "it is not installed", hint=INSTALL)
    try:
        said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise GuestError(f"run {PROGRAM} --version", str(error), hint=INSTALL) from error
    return said.splitlines()[0] if said else ""


def try_kvm(kernel: Path, timeout_s: float = PROBE_S) -> str:
    """Return what keeps a kernel from booting with KVM; empty when it comes to its own panic in time."""
    argv = [
        *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"),
        *("-accel", KVM, "-cpu", "host", "-m", "256M", "-kernel", str(kernel)),
        *("-append", "console=ttyS0 panic=-1", "-serial", "stdio"),
    ]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"a kernel hangs with it (tried for {timeout_s:g} s)"
    if done.returncode == 0 and b"Linux version" in done.stdout:
        return ""
    said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"qemu cannot use it: {said[0] if said else f'exit status {done.returncode}'}"


def _judge(kernel: Path, attempt: Callable[[Path], str]) -> tuple[str, str]:
    if not _DEVICE.exists():
        return TCG, "there is no /dev/kvm here"
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return TCG, "this user may not open /dev/kvm (on Debian: join the group kvm)"
    trouble = attempt(kernel)
    return (TCG, f"there is a /dev/kvm, but {trouble}") if trouble else (KVM, "tried: a kernel boots with KVM")


def choose(kernel: Path, memory: Path, attempt: Callable[[Path], str] = try_kvm) -> Accelerator:
    """Return the accelerator for a kernel; the verdict is kept in the file `memory` until the host boots again."""
    version = qemu_version()
    key = f"{_BOOT_ID.read_text().strip()} {os.getuid()} {version}"
    try:
        kept = json.loads(memory.read_text())
        if kept["key"] == key:
            return Accelerator(**kept["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing kept, or something else than this wrote it
    name, reason = _judge(kernel, attempt)
    verdict = Accelerator(name, reason, version)
    part = memory.with_name(f"{memory.name}.{os.getpid()}")
    part.write_text(json.dumps({"key": key, "verdict": asdict(verdict)}))
    part.replace(memory)
    return verdict
