"""The records of a capture file: the offset, length and time of each packet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

SCAN_BYTES: Final = 96 << 20
"""The file is scanned for records in parts of about this size; the pages of a finished part are released."""

CHUNK_RECORDS: Final = 1 << 18
"""Records per chunk; it bounds the memory for their headers."""

UNKNOWN_TIME: Final = 0
"""`time_ns` of a packet whose record has no time: a simple packet block."""


@dataclass(frozen=True, slots=True)
class Records:
    """Packets of one link type in file order, as columns.

    `number` counts all packets of the file from 1, as Wireshark does. `data_at` is the offset of the frame's first
    byte in the file; `captured_bytes` of its `original_bytes` are in the file.
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
class RecordChunk:
    """Consecutive packets of the file, one element a link type; the file has been read up to byte `ends_at`."""

    records: tuple[Records, ...]
    packets: int
    ends_at: int


@dataclass(slots=True)
class FileState:
    """What is known about a file while it is read and afterwards.

    `truncated_at_byte` is the offset of a truncated last record (of a capture that was killed), None where the file
    ends with a complete record. `dropped_packets` is the capturing program's own count, None where the file has none.
    """

    file_format: str
    resolution_ns: float
    link_types: set[int]
    truncated_at_byte: int | None = None
    dropped_packets: int | None = None


class CaptureFile(Protocol):
    """A capture file in one of the formats."""

    state: FileState

    def chunks(self) -> Iterator[RecordChunk]:
        """Yield the file's packets in order; raises CaptureError where the file is malformed."""
