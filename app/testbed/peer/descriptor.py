"""File descriptors: write to one whole, and keep the standard ones standard."""

import os
from typing import Final

_STANDARD: Final = (0, 1, 2)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however often a write takes less; raise OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def hold_standard() -> None:
    """Take the places of standard descriptors that are closed, so that no socket or log gets what is printed.

    They are opened for reading only: printing then fails, as it should.
    """
    fd = os.open(os.devnull, os.O_RDONLY)
    while fd in _STANDARD:
        fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
