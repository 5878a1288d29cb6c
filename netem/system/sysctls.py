"""Read the network sysctls of this namespace."""

from collections.abc import Sequence
from pathlib import Path

from netem.contract.errors import from_os_error

ROOT = Path("/proc/sys")


def read_sysctls(keys: Sequence[str], root: Path = ROOT) -> dict[str, str]:
    """Return the values of the keys, with single spaces between numbers. Raises SidecarError."""
    found = {}
    for key in keys:
        try:
            found[key] = " ".join((root / key.replace(".", "/")).read_text().split())
        except OSError as error:
            raise from_os_error(f"read {key}", error) from error
    return found
