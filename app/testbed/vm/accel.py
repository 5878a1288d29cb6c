"""Probe whether KVM can run a kernel here: even where /dev/kvm exists, a guest may hang.

The kernel itself is the probe: without a disk it panics within a second of its start, and with `panic=-1` qemu then
exits. The result is valid until the host boots again.
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

PROBE_S: Final = 4.0  # with KVM the probe takes 0.5 s; a loaded machine gets more
_DEVICE: Final = Path("/dev/kvm")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What runs the guest's code, why it was chosen, and the version of qemu that was probed."""

    name: str
    reason: str
    qemu: str


def qemu_version() -> str:
    """Return the first line of qemu's version; raises GuestError when there is no qemu."""
    if shutil.which(PROGRAM) is None:
        raise GuestError(f"run {PROGRAM}", "it is not installed", hint=INSTALL)
    try:
        output = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise GuestError(f"run {PROGRAM} --version", str(error), hint=INSTALL) from error
    return output.splitlines()[0] if output else ""


def try_kvm(kernel: Path, timeout_s: float = PROBE_S) -> str:
    """Return why a kernel does not boot with KVM; empty when it reaches its own panic in time."""
    argv = [
        *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"),
        *("-accel", KVM, "-cpu", "host", "-m", "256M", "-kernel", str(kernel)),
        *("-append", "console=ttyS0 panic=-1", "-serial", "stdio"),
    ]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"a kernel hangs with it (no panic within {timeout_s:g} s)"
    if done.returncode == 0 and b"Linux version" in done.stdout:
        return ""
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"qemu cannot use it: {last[0] if last else f'exit code {done.returncode}'}"


def _probe(kernel: Path, attempt: Callable[[Path], str]) -> tuple[str, str]:
    if not _DEVICE.exists():
        return TCG, "/dev/kvm does not exist"
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return TCG, "no permission to open /dev/kvm (on Debian: join the group kvm)"
    failure = attempt(kernel)
    return (TCG, f"/dev/kvm exists, but {failure}") if failure else (KVM, "probed: a kernel boots with KVM")


def choose(kernel: Path, cache: Path, attempt: Callable[[Path], str] = try_kvm) -> Accelerator:
    """Return the accelerator for a kernel; the file `cache` keeps the verdict until the host boots again."""
    version = qemu_version()
    key = f"{_BOOT_ID.read_text().strip()} {os.getuid()} {version}"
    try:
        cached = json.loads(cache.read_text())
        if cached["key"] == key:
            return Accelerator(**cached["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no cached verdict, or a file of another format
    name, reason = _probe(kernel, attempt)
    verdict = Accelerator(name, reason, version)
    part = cache.with_name(f"{cache.name}.{os.getpid()}")
    part.write_text(json.dumps({"key": key, "verdict": asdict(verdict)}))
    part.replace(cache)
    return verdict
