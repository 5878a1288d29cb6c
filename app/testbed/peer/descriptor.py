"""File descriptors: write everything, and reserve the standard ones."""

import os
from typing import Final

_STANDARD: Final = (0, 1, 2)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, in as many calls as needed; raise OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def reserve_standard_descriptors() -> None:
    """Open closed standard descriptors as /dev/null, so that no socket or log gets their number and what is printed.

    They are read-only, so printing fails.
    """
    fd = os.open(os.devnull, os.O_RDONLY)
    while fd in _STANDARD:
        fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
