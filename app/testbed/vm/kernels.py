"""Which kernels there are to choose from, and which one a name means. No I/O here."""

import re
from dataclasses import dataclass
from typing import Final

from testbed.vm.errors import GuestError

SUITES: Final = {"bookworm": "bookworm", "trixie": "trixie", "backports": "trixie-backports", "sid": "sid"}
"""The names to choose by, and the suite of Debian that each stands for."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Name one kernel of Debian: the name it is chosen by, its suite, and its package's version."""

    name: str
    suite: str
    version: str


def parse_list(text: str) -> list[Kernel]:
    """Return each suite's newest kernel from what apt-cache madison says, each line with its suite in front."""
    names = {suite: name for name, suite in SUITES.items()}
    found: dict[str, Kernel] = {}
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 3 and fields[0] in names:
            found.setdefault(fields[0], Kernel(names[fields[0]], fields[0], fields[2]))
    return [found[suite] for suite in SUITES.values() if suite in found]


def means(wanted: str, kernel: Kernel) -> bool:
    """Return whether a kernel is meant by its name, its suite, its version or the first numbers of that."""
    if wanted in (kernel.name, kernel.suite, kernel.version):
        return True
    numbers = re.fullmatch(r"\d+(\.\d+)*", wanted)
    return numbers is not None and re.match(rf"{re.escape(wanted)}(?!\d)", kernel.version) is not None


def select(kernels: list[Kernel], wanted: str) -> Kernel:
    """Return the first kernel that is meant by a name or version; raises GuestError."""
    for kernel in kernels:
        if means(wanted, kernel):
            return kernel
    offered = ", ".join(f"{kernel.name} ({kernel.version})" for kernel in kernels) or "none"
    raise GuestError(f"find the kernel {wanted}", "Debian does not offer it now", hint=f"Choose one of: {offered}.")
