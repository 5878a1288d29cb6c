"""Read the classic pcap format: a 24-byte header, then records of a 16-byte header and a frame.

Source: draft-ietf-opsawg-pcap. Both byte orders, microseconds and nanoseconds.
"""

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.read.chain import NO_NEXT, Offsets, walk
from testbed.analysis.packets.read.records import CHUNK_RECORDS, SCAN_BYTES, FileState, RecordChunk, Records
from testbed.analysis.packets.read.views import U16, U32, Buffer, ByteOrder, gather_words, unaligned_view

FILE_HEADER_BYTES: Final = 24
RECORD_HEADER_BYTES: Final = 16

MAX_SNAPLEN_BYTES: Final = 262_144
"""libpcap's limit for a frame (MAXIMUM_SNAPLEN); a longer record is malformed unless the file's snaplen allows it."""

# By the first four bytes of the file: byte order, and nanoseconds per unit of the fraction.
MAGICS: Final[dict[bytes, tuple[ByteOrder, int]]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


class PcapFormat:
    """Chains the records of a pcap file.

    A record header has the seconds at 0, the fraction at 4, the captured bytes at 8 and the original bytes at 12.
    """

    def __init__(self, buffer: Buffer, order: ByteOrder, max_frame_bytes: int) -> None:
        self.size_bytes = len(buffer)
        self.max_frame_bytes = max_frame_bytes
        self.words = unaligned_view(buffer, U32.newbyteorder(order))
        self._captured = self.words[8:]
        self._halves = unaligned_view(buffer, U16.newbyteorder(order))
        self._high_half_at = 0 if order == ">" else 2  # of the seconds: changes every 18 hours
        self._high_half = np.uint16(0)
        if self.size_bytes >= FILE_HEADER_BYTES + RECORD_HEADER_BYTES:
            self._high_half = np.uint16(int(self.words[FILE_HEADER_BYTES]) >> 16)

    def next_offsets(self, offsets: Offsets) -> Offsets:
        """Return where the next records begin, `NO_NEXT` where one is truncated."""
        last = self.size_bytes - RECORD_HEADER_BYTES
        if last < 0:
            return np.full_like(offsets, NO_NEXT)
        captured = self._captured[np.minimum(offsets, last)]
        ends = offsets + captured + RECORD_HEADER_BYTES
        bad = (offsets > last) | (captured > self.max_frame_bytes) | (ends > self.size_bytes)
        return np.where(bad, NO_NEXT, ends) if bad.any() else ends

    def looks_like_record(self, offsets: Offsets) -> NDArray[np.bool_]:
        """Look for two consecutive records whose times are near the first record's."""
        found = np.zeros(len(offsets), np.bool_)
        last = self.size_bytes - RECORD_HEADER_BYTES
        near = self._near(self._halves[np.minimum(offsets, last) + self._high_half_at])
        first = np.flatnonzero(near & (offsets <= last))
        first = first[self._plausible(offsets[first])]
        following = self.next_offsets(offsets[first])
        found[first] = (following == self.size_bytes) | ((following != NO_NEXT) & self._plausible(following))
        return found

    def _near(self, high_half: NDArray[np.uint16]) -> NDArray[np.bool_]:
        near: NDArray[np.bool_] = high_half - self._high_half <= 1
        return near

    def _plausible(self, offsets: Offsets) -> NDArray[np.bool_]:
        at = np.minimum(offsets, self.size_bytes - RECORD_HEADER_BYTES)
        seconds, fraction, captured, original = (self.words[at + field] for field in range(0, RECORD_HEADER_BYTES, 4))
        plausible: NDArray[np.bool_] = self._near((seconds >> 16).astype(np.uint16)) & (fraction < 1_000_000_000)
        plausible &= (captured <= original) & (captured <= self.max_frame_bytes) & (at == offsets)
        return plausible


class PcapFile:
    """A pcap file in memory; raises CaptureError when its header is malformed."""

    def __init__(self, buffer: Buffer) -> None:
        magic = MAGICS.get(bytes(buffer[:4]))
        if magic is None:
            begin = bytes(buffer[:4]).hex(" ") or "nothing"
            raise CaptureError(0, f"not a pcap or pcapng file (it begins with {begin})")
        if len(buffer) < FILE_HEADER_BYTES:
            raise CaptureError(len(buffer), f"the file header of {FILE_HEADER_BYTES} bytes is truncated")
        self._buffer = buffer
        self._order, self._fraction_ns = magic
        _, _, _, snaplen, link = struct.unpack(self._order + "HHQII", buffer[4:FILE_HEADER_BYTES])
        self._link_type = link & 0xFFFF  # the upper bits have the length of the frame check sequence
        self._size_bytes = len(buffer)
        self._format = PcapFormat(buffer, self._order, max(snaplen, MAX_SNAPLEN_BYTES))
        self.state = FileState("pcap", float(self._fraction_ns), {self._link_type})

    def chunks(self) -> Iterator[RecordChunk]:
        """Yield the packets; the last record may be truncated, any other fault is a CaptureError."""
        at, number = FILE_HEADER_BYTES, 1
        while at < self._size_bytes:
            stop = min(at + SCAN_BYTES, self._size_bytes)
            chain = walk(self._format, at, stop)
            for begin in range(0, len(chain.offsets), CHUNK_RECORDS):
                offsets = chain.offsets[begin : begin + CHUNK_RECORDS]
                yield self._chunk(offsets, number, int(offsets[-1]))
                number += len(offsets)
            at = chain.stopped_at
            if at < stop:
                self._check_tail(at)
                return

    def _chunk(self, offsets: Offsets, number: int, ends_at: int) -> RecordChunk:
        headers = gather_words(self._buffer, offsets, RECORD_HEADER_BYTES, self._order)
        seconds, fraction, captured, original = (column.astype(np.int64) for column in headers)
        records = Records(
            link_type=self._link_type,
            number=np.arange(number, number + len(offsets), dtype=np.int64),
            time_ns=seconds * 1_000_000_000 + fraction * self._fraction_ns,
            data_at=offsets + RECORD_HEADER_BYTES,
            captured_bytes=captured,
            original_bytes=np.maximum(original, captured),
        )
        return RecordChunk((records,), len(offsets), ends_at)

    def _check_tail(self, at: int) -> None:
        if at + RECORD_HEADER_BYTES <= self._size_bytes:
            captured = int(self._format.words[at + 8])
            if captured > self._format.max_frame_bytes:
                limit = self._format.max_frame_bytes
                raise CaptureError(at + 8, f"a record claims {captured} bytes, more than the maximum of {limit}")
        self.state.truncated_at_byte = at
