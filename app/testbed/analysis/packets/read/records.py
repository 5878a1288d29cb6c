"""What a capture file says of its packets before any of their bytes is understood."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

STRETCH_BYTES: Final = 96 << 20
"""Records are sought in stretches of the file of about this size; its pages are given back when they have been read."""

WINDOW_RECORDS: Final = 1 << 18
"""Of a stretch, so many records are read at a time: it bounds the memory for their headers."""

UNKNOWN_TIME: Final = 0
"""`time_ns` of a packet whose record has no time (a simple packet block)."""


@dataclass(frozen=True, slots=True)
class Records:
    """Packets of one link type in file order, by columns.

    `number` counts all packets of the file from 1, as Wireshark does. `data_at` is the offset of the frame's first
    byte in the file, `captured_bytes` of `original_bytes` are there.
    """

    link_type: int
    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    data_at: NDArray[np.int64]
    captured_bytes: NDArray[np.int64]
    original_bytes: NDArray[np.int64]

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Records":
        """Return the chosen packets only."""
        return Records(
            self.link_type,
            self.number[chosen],
            self.time_ns[chosen],
            self.data_at[chosen],
            self.captured_bytes[chosen],
            self.original_bytes[chosen],
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Some packets of the file, one element a link type, and the byte up to which it has been read."""

    records: tuple[Records, ...]
    packets: int
    ends_at: int


@dataclass(slots=True)
class Progress:
    """What is known of a file while and after it is read.

    `cut_at_byte` is the offset of a last record that is not whole (a capture that was killed), None for a file that
    ends where a record ends. `dropped_packets` is the capturing program's own count where the file carries it.
    """

    file_format: str
    resolution_ns: float
    link_types: set[int]
    cut_at_byte: int | None = None
    dropped_packets: int | None = None


class CaptureFile(Protocol):
    """A capture in one of the formats."""

    progress: Progress

    def windows(self) -> Iterator[Window]:
        """Yield the file's packets in order; raises CaptureError where the file stops making sense."""
