"""The kernels that Debian offers, and how a name selects one. No I/O here."""

import re
from dataclasses import dataclass
from typing import Final

from testbed.vm.errors import GuestError

SUITES: Final = {"bookworm": "bookworm", "trixie": "trixie", "backports": "trixie-backports", "sid": "sid"}
"""The names of kernels, and the Debian suite of each."""


@dataclass(frozen=True, slots=True)
class DebianKernel:
    """One kernel of Debian: its name, its suite, and the version of its package."""

    name: str
    suite: str
    version: str


def parse_list(text: str) -> list[DebianKernel]:
    """Return the newest kernel of each suite from the output of apt-cache madison, with the suite before each line."""
    names = {suite: name for name, suite in SUITES.items()}
    found: dict[str, DebianKernel] = {}
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 3 and fields[0] in names:
            found.setdefault(fields[0], DebianKernel(names[fields[0]], fields[0], fields[2]))
    return [found[suite] for suite in SUITES.values() if suite in found]


def is_named(wanted: str, kernel: DebianKernel) -> bool:
    """Return whether this is the name, suite or version of a kernel, or the first numbers of its version."""
    if wanted in (kernel.name, kernel.suite, kernel.version):
        return True
    numbers = re.fullmatch(r"\d+(\.\d+)*", wanted)
    return numbers is not None and re.match(rf"{re.escape(wanted)}(?!\d)", kernel.version) is not None


def can_name(wanted: str) -> bool:
    """Return whether this can name a kernel: a name, a suite, or something that begins with a number."""
    return wanted in SUITES or wanted in SUITES.values() or wanted[:1].isdigit()


def select(kernels: list[DebianKernel], wanted: str) -> DebianKernel:
    """Return the first kernel with a name or version; raises GuestError."""
    for kernel in kernels:
        if is_named(wanted, kernel):
            return kernel
    offered = ", ".join(f"{kernel.name} ({kernel.version})" for kernel in kernels) or "none"
    raise GuestError(f"find the kernel {wanted}", "Debian does not offer it", hint=f"Choose one of: {offered}.")
