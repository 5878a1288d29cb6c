"""Classic capture files: read records, and merge two captures by time in one pass.

Layout: libpcap's `pcap-savefile(5)`. Only what tcpdump writes here is read: this machine's byte order, nanoseconds.
"""

import bisect
import heapq
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol

MAGIC_NANOSECONDS = 0xA1B23C4D
LINKTYPE_ETHERNET = 1
_FILE_HEADER = struct.Struct("=IHHiIII")
FILE_HEADER_BYTES = _FILE_HEADER.size
_RECORD_HEADER = struct.Struct("=IIII")
_CHUNK_BYTES = 1 << 20
_MAX_RECORD_BYTES = 1 << 20
"""Far above any frame: a longer one is a broken file."""


LATE_NS = 100_000_000
HELD_BYTES = 1 << 24
"""How far back, in time and in bytes, a record is put where it belongs."""


_BATCH = 256


class Record(NamedTuple):
    """One captured frame: its time in nanoseconds and its whole record, header included."""

    time_ns: int
    data: bytes


class Source(Protocol):
    """Something to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end only."""


class PcapError(ValueError):
    """Say why a capture cannot be read."""


def file_header(snaplen_bytes: int) -> bytes:
    """Return the header of a nanosecond Ethernet capture."""
    return _FILE_HEADER.pack(MAGIC_NANOSECONDS, 2, 4, 0, 0, snaplen_bytes, LINKTYPE_ETHERNET)


def read_snaplen(file: Source) -> int:
    """Read the file header and return the snap length. Raises PcapError for anything but nanoseconds and Ethernet."""
    data = file.read(_FILE_HEADER.size)
    if len(data) < _FILE_HEADER.size:
        raise PcapError("the capture has no header")
    magic, *_, snaplen_bytes, linktype = _FILE_HEADER.unpack(data)
    if magic != MAGIC_NANOSECONDS or linktype != LINKTYPE_ETHERNET:
        raise PcapError(f"magic {magic:#x}, link type {linktype} instead of nanoseconds and Ethernet")
    return int(snaplen_bytes)


def read_records(file: Source) -> Iterator[Record]:
    """Yield the whole records after the header; a cut last record is left out. Raises PcapError."""
    head_bytes = _RECORD_HEADER.size
    pending = b""
    while chunk := file.read(_CHUNK_BYTES):
        data, at = pending + chunk, 0
        while at + head_bytes <= len(data):
            seconds, nanoseconds, kept_bytes, _ = _RECORD_HEADER.unpack_from(data, at)
            if kept_bytes > _MAX_RECORD_BYTES:
                raise PcapError(f"a record of {kept_bytes} bytes")
            end = at + head_bytes + kept_bytes
            if end > len(data):
                break
            yield Record(seconds * 1_000_000_000 + nanoseconds, data[at:end])
            at = end
        pending = data[at:]


def merge(sources: Sequence[Source], target: BinaryIO, without: tuple[int, int] = (0, 0)) -> int:
    """Merge captures into one in order of time; return the number of records. Raises PcapError.

    Records between the two times of `without` are left out. Equal times keep the order of `sources`. Memory does not
    grow with the captures.
    """
    after_ns, before_ns = without
    target.write(file_header(max(read_snaplen(source) for source in sources)))
    records = 0
    for record in in_order(heapq.merge(*map(read_records, sources), key=_time)):
        if not after_ns < record.time_ns < before_ns:
            target.write(record.data)
            records += 1
    return records


def in_order(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records by their time, equal ones as they came.

    The kernel stamps a frame that arrives when it is queued and hands it to the capture later, after frames that were
    sent, and stamped, in between.
    """
    waiting: list[Record] = []
    held_bytes = 0
    for record in records:
        # Nearly all come in order: an append, and a look at the first one now and then.
        if waiting and record.time_ns < waiting[-1].time_ns:
            bisect.insort_right(waiting, record, key=_time)
        else:
            waiting.append(record)
        held_bytes += len(record.data)
        if len(waiting) % _BATCH == 0 or held_bytes > HELD_BYTES:
            due = bisect.bisect_left(waiting, waiting[-1].time_ns - LATE_NS, key=_time)
            due = due if held_bytes <= HELD_BYTES else max(due, len(waiting) // 2)
            held_bytes -= sum(len(each.data) for each in waiting[:due])
            yield from waiting[:due]
            del waiting[:due]
    yield from waiting


def _time(record: Record) -> int:
    return record.time_ns
