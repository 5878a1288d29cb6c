"""A capture with a size limit: it keeps its beginning and its end, and leaves out the middle.

tcpdump starts a new file after a number of bytes: NAME, NAME1, NAME2, ... The first one holds the handshakes, which
define
the window scale; the last ones hold the end.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from netem.observe.pcap import FILE_HEADER_BYTES, read_records, read_snaplen

LAST_SEGMENTS = 3
"""How many files of the end to keep: the one being written, and two full ones."""
UNIT_BYTES = 1_000_000
"""tcpdump's unit for the size of a file, and therefore the smallest size."""


class Gap(NamedTuple):
    """The frames that are left out: those later than one time and earlier than another."""

    after_ns: int
    before_ns: int


def segment_units(max_bytes: int, points: int) -> int:
    """Return the size of each file, in tcpdump's unit, such that the kept files have at most `max_bytes`."""
    return max(1, max_bytes // (points * (1 + LAST_SEGMENTS)) // UNIT_BYTES)


def segments(path: Path) -> list[Path]:
    """Return the files that a tcpdump has written so far, in order."""
    numbered = [
        (int(number or 0), found)
        for found in path.parent.glob(f"{path.name}*")
        if not (number := found.name.removeprefix(path.name)) or number.isdecimal()
    ]
    return [found for _, found in sorted(numbered)]


def prune(path: Path) -> None:
    """Remove the files between the first one and the last ones."""
    for found in segments(path)[1:-LAST_SEGMENTS]:
        found.unlink()


def find_gap(points: Sequence[Sequence[Path]]) -> Gap | None:
    """Return what to leave out of all points, such that both directions cover the same time; None without a gap.

    Raises OSError and PcapError.
    """
    gaps = [_gap(*each[:2]) for each in points if len(each) > 1 and not _adjacent(*each[:2])]
    if not gaps:
        return None
    return Gap(min(gap.after_ns for gap in gaps), max(gap.before_ns for gap in gaps))


def _adjacent(first: Path, second: Path) -> bool:
    return second.name == f"{first.name}1"


def _gap(first: Path, second: Path) -> Gap:
    after_ns = before_ns = 0
    with first.open("rb") as file:
        read_snaplen(file)
        for record in read_records(file):
            after_ns = record.time_ns
    with second.open("rb") as file:
        read_snaplen(file)
        record_ = next(read_records(file), None)
        before_ns = record_.time_ns if record_ else after_ns
    return Gap(after_ns, before_ns)


class Joined:
    """Read several capture files, one after another, as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open the first one. Raises OSError."""
        self._rest = list(paths[1:])
        self._file: BinaryIO = paths[0].open("rb")

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty only at the end of the last file. Raises OSError."""
        while not (data := self._file.read(size)):
            if not self._rest:
                return b""
            self._file.close()
            self._file = self._rest.pop(0).open("rb")
            self._file.read(FILE_HEADER_BYTES)
        return data

    def close(self) -> None:
        """Close the open file."""
        self._file.close()
