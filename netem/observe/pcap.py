"""Classic capture files: read records, and merge captures by time in one pass.

Layout: libpcap's `pcap-savefile(5)`. Only files of this machine's tcpdump are read: native byte order, nanoseconds.
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
"""Far above any frame; a longer record means a broken file."""


REORDER_WINDOW_NS = 100_000_000
REORDER_BUFFER_BYTES = 1 << 24
"""How far back, in time and in bytes, a late record is sorted in."""


_BATCH = 256


class Record(NamedTuple):
    """One captured frame: its time in nanoseconds and its whole record, header included."""

    time_ns: int
    data: bytes


class Source(Protocol):
    """Something to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty only at the end."""


class PcapError(ValueError):
    """Report why a capture cannot be read."""


def file_header(snaplen_bytes: int) -> bytes:
    """Return the header of a nanosecond Ethernet capture."""
    return _FILE_HEADER.pack(MAGIC_NANOSECONDS, 2, 4, 0, 0, snaplen_bytes, LINKTYPE_ETHERNET)


def read_snaplen(file: Source) -> int:
    """Read the file header and return the snap length. Raises PcapError unless it is nanoseconds and Ethernet."""
    data = file.read(_FILE_HEADER.size)
    if len(data) < _FILE_HEADER.size:
        raise PcapError("the capture has no header")
    magic, *_, snaplen_bytes, linktype = _FILE_HEADER.unpack(data)
    if magic != MAGIC_NANOSECONDS or linktype != LINKTYPE_ETHERNET:
        raise PcapError(f"magic {magic:#x}, link type {linktype} instead of nanoseconds and Ethernet")
    return int(snaplen_bytes)


def read_records(file: Source) -> Iterator[Record]:
    """Yield the complete records after the header; a truncated last record is left out. Raises PcapError."""
    head_bytes = _RECORD_HEADER.size
    pending = b""
    while chunk := file.read(_CHUNK_BYTES):
        data, at = pending + chunk, 0
        while at + head_bytes <= len(data):
            seconds, nanoseconds, kept_bytes, _ = _RECORD_HEADER.unpack_from(data, at)
            if kept_bytes > _MAX_RECORD_BYTES:
                raise PcapError(f"invalid record length {kept_bytes}")
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
    """Yield records in order of time; equal times keep their order.

    The kernel timestamps an incoming frame when it is queued and passes it to the capture later, after frames that were
    sent and timestamped in between.
    """
    buffered: list[Record] = []
    buffered_bytes = 0
    for record in records:
        # Nearly all records are in order: append, and check the first one once per batch.
        if buffered and record.time_ns < buffered[-1].time_ns:
            bisect.insort_right(buffered, record, key=_time)
        else:
            buffered.append(record)
        buffered_bytes += len(record.data)
        if len(buffered) % _BATCH == 0 or buffered_bytes > REORDER_BUFFER_BYTES:
            due = bisect.bisect_left(buffered, buffered[-1].time_ns - REORDER_WINDOW_NS, key=_time)
            due = due if buffered_bytes <= REORDER_BUFFER_BYTES else max(due, len(buffered) // 2)
            buffered_bytes -= sum(len(each.data) for each in buffered[:due])
            yield from buffered[:due]
            del buffered[:due]
    yield from buffered


def _time(record: Record) -> int:
    return record.time_ns
