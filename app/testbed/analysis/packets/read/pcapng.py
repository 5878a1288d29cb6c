"""Read the packets of a pcapng file; other blocks are skipped.

Source: draft-ietf-opsawg-pcapng. Section headers (either byte order, any number of them), interface descriptions
(`if_tsresol`, `if_tsoffset`), enhanced and simple packet blocks, and the drop counts of interface statistics.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.errors import CaptureError
from testbed.analysis.packets.read.chain import NO_NEXT, Offsets, walk
from testbed.analysis.packets.read.records import (
    CHUNK_RECORDS,
    SCAN_BYTES,
    UNKNOWN_TIME,
    FileState,
    RecordChunk,
    Records,
)
from testbed.analysis.packets.read.views import U32, Buffer, ByteOrder, unaligned_view

ORDERS: Final[tuple[ByteOrder, ...]] = ("<", ">")

SECTION: Final = 0x0A0D0D0A
INTERFACE: Final = 1
SIMPLE_PACKET: Final = 3
STATISTICS: Final = 5
ENHANCED_PACKET: Final = 6

BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
MIN_BLOCK_BYTES: Final = 12
MIN_SECTION_BYTES: Final = 28
INTERFACE_HEAD_BYTES: Final = 16  # up to the options
STATISTICS_HEAD_BYTES: Final = 20  # up to the options
ENHANCED_HEAD_BYTES: Final = 28  # up to the frame
ENHANCED_FRAME_BYTES: Final = 32  # all of the block but the frame
SIMPLE_HEAD_BYTES: Final = 12

OPTION_TSRESOL: Final = 9
OPTION_TSOFFSET: Final = 14
OPTION_IFDROP: Final = 5
MAX_TIME_NS: Final = 1 << 62
"""In the year 2116; the difference of any two times below it fits into 64 bits."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of a section; its timestamps count units of `base ** -exponent` seconds."""

    link_type: int
    snaplen: int
    base: int
    exponent: int
    offset_s: int

    def to_ns(self, timestamps: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Convert timestamps to nanoseconds since 1970; a time out of range becomes `UNKNOWN_TIME`.

        Decimal resolutions of a nanosecond or coarser are exact; finer ones are rounded down.
        """
        if self.base == 10:
            if self.exponent <= 9:
                converted = timestamps * np.uint64(10 ** (9 - self.exponent))
            else:
                converted = timestamps // np.uint64(10 ** min(self.exponent - 9, 19))
        else:
            shift = np.uint64(min(self.exponent, 63))
            seconds = timestamps >> shift
            fraction = (timestamps - (seconds << shift)).astype(np.float64) / float(2**self.exponent)
            converted = seconds * np.uint64(1_000_000_000) + (fraction * 1e9).astype(np.uint64)
        since_1970 = converted.view(np.int64) + np.int64(self.offset_s * 1_000_000_000)
        return np.where((since_1970 > -MAX_TIME_NS) & (since_1970 < MAX_TIME_NS), since_1970, UNKNOWN_TIME)


class PcapngFormat:
    """Chains the blocks of one section; a block has its type at 0, its length at 4 and in its last four bytes."""

    def __init__(self, buffer: Buffer, order: ByteOrder) -> None:
        self.size_bytes = len(buffer)
        self.order = order
        self.words = unaligned_view(buffer, U32.newbyteorder(order))

    def next_offsets(self, offsets: Offsets) -> Offsets:
        """Return where the next blocks begin, `NO_NEXT` for a truncated block and for a new section's header."""
        last = self.size_bytes - MIN_BLOCK_BYTES
        if last < 0:
            return np.full_like(offsets, NO_NEXT)
        at = np.minimum(offsets, last)
        length = self.words[at + 4].astype(np.int64)
        ends = offsets + length
        bad = (offsets > last) | (length < MIN_BLOCK_BYTES) | (ends > self.size_bytes) | (length & 3 != 0)
        bad |= self.words[at] == SECTION
        bad |= self.words[np.where(bad, 0, ends - 4)] != length
        return np.where(bad, NO_NEXT, ends) if bad.any() else ends

    def looks_like_record(self, offsets: Offsets) -> NDArray[np.bool_]:
        """Look for an enhanced packet block whose two lengths agree."""
        found: NDArray[np.bool_] = self.words[np.minimum(offsets, len(self.words) - 1)] == ENHANCED_PACKET
        first = np.flatnonzero(found)
        found[first] = self.next_offsets(offsets[first]) != NO_NEXT
        return found


class PcapngFile:
    """A pcapng file in memory; raises CaptureError when its first block is malformed."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._size_bytes = len(buffer)
        self._formats = {order: PcapngFormat(buffer, order) for order in ORDERS}
        self._format = self._formats["<"]
        self._interfaces: list[Interface] = []
        self.state = FileState("pcapng", 0.0, set())

    def chunks(self) -> Iterator[RecordChunk]:
        """Yield the packets; the last block may be truncated, any other fault is a CaptureError."""
        at, number = 0, 1
        while at < self._size_bytes:
            at = self._begin_section(at)
            while at < self._size_bytes:
                stop = min(at + SCAN_BYTES, self._size_bytes)
                chain = walk(self._format, at, stop)
                for begin in range(0, len(chain.offsets), CHUNK_RECORDS):
                    part = self._chunk(chain.offsets[begin : begin + CHUNK_RECORDS], number)
                    yield part
                    number += part.packets
                at = chain.stopped_at
                if at < stop:
                    break
            if at < self._size_bytes and not self._is_section(at):
                self._check_tail(at)
                return

    def _is_section(self, at: int) -> bool:
        return bytes(self._buffer[at : at + 4]) == b"\x0a\x0d\x0d\x0a" and at + MIN_SECTION_BYTES <= self._size_bytes

    def _begin_section(self, at: int) -> int:
        if not self._is_section(at):
            raise CaptureError(at, "expected a complete section header block")
        orders = [order for order in ORDERS if self._word(order, at + 8) == BYTE_ORDER_MAGIC]
        if not orders:
            raise CaptureError(at + 8, "the section's byte-order magic is wrong")
        self._format = self._formats[orders[0]]
        self._interfaces = []
        length = self._word(orders[0], at + 4)
        if length < MIN_SECTION_BYTES or length % 4:
            raise CaptureError(at + 4, f"invalid section header length {length}")
        if at + length > self._size_bytes:
            self.state.truncated_at_byte = at
            return self._size_bytes
        return at + length

    def _word(self, order: ByteOrder, at: int) -> int:
        return int(self._formats[order].words[at])

    def _check_tail(self, at: int) -> None:
        if at + 8 <= self._size_bytes:
            length = self._word(self._format.order, at + 4)
            if length < MIN_BLOCK_BYTES or length % 4:
                raise CaptureError(at + 4, f"invalid block length {length}")
            if at + length <= self._size_bytes:
                raise CaptureError(at + length - 4, "a block's second length differs from its first")
        self.state.truncated_at_byte = at

    def _chunk(self, blocks: Offsets, number: int) -> RecordChunk:
        kinds = self._format.words[blocks]
        for at in blocks[kinds == INTERFACE].tolist():
            self._add_interface(at)
        for at in blocks[kinds == STATISTICS].tolist():
            self._add_drops(at)
        is_packet = (kinds == ENHANCED_PACKET) | (kinds == SIMPLE_PACKET)
        packets, kinds = blocks[is_packet], kinds[is_packet]
        numbers = np.arange(number, number + len(packets), dtype=np.int64)
        groups = list(self._enhanced(packets[kinds == ENHANCED_PACKET], numbers[kinds == ENHANCED_PACKET]))
        simple = kinds == SIMPLE_PACKET
        if simple.any():
            groups.append(self._simple(packets[simple], numbers[simple]))
        return RecordChunk(tuple(groups), len(packets), int(blocks[-1]))

    def _enhanced(self, blocks: Offsets, numbers: NDArray[np.int64]) -> Iterator[Records]:
        words = self._format.words
        too_short = np.flatnonzero(words[blocks + 4] < ENHANCED_FRAME_BYTES)
        if len(too_short):
            raise CaptureError(int(blocks[too_short[0]]) + 4, "an enhanced packet block is too short for its fields")
        interfaces = words[blocks + 8]
        for index in np.unique(interfaces).tolist():
            chosen = interfaces == index
            if index >= len(self._interfaces):
                reason = f"a packet refers to interface {index}, which has no description"
                raise CaptureError(int(blocks[chosen][0]) + 8, reason)
            at = blocks[chosen]
            captured = words[at + 20].astype(np.int64)
            beyond = np.flatnonzero(captured + ENHANCED_FRAME_BYTES > words[at + 4])
            if len(beyond):
                raise CaptureError(int(at[beyond[0]]) + 20, "a packet is longer than its block")
            timestamps = (words[at + 12].astype(np.uint64) << np.uint64(32)) | words[at + 16]
            yield Records(
                link_type=self._interfaces[index].link_type,
                number=numbers[chosen],
                time_ns=self._interfaces[index].to_ns(timestamps),
                data_at=at + ENHANCED_HEAD_BYTES,
                captured_bytes=captured,
                original_bytes=np.maximum(words[at + 24], captured),
            )

    def _simple(self, blocks: Offsets, numbers: NDArray[np.int64]) -> Records:
        if not self._interfaces:
            raise CaptureError(int(blocks[0]), "a simple packet comes before any interface description")
        words = self._format.words
        room = words[blocks + 4].astype(np.int64) - (SIMPLE_HEAD_BYTES + 4)
        if (room < 0).any():
            raise CaptureError(int(blocks[np.argmax(room < 0)]) + 4, "a simple packet block is too short")
        original = words[blocks + 8].astype(np.int64)
        captured = np.minimum(original, room)
        if self._interfaces[0].snaplen:
            captured = np.minimum(captured, self._interfaces[0].snaplen)
        return Records(
            link_type=self._interfaces[0].link_type,
            number=numbers,
            time_ns=np.full(len(blocks), UNKNOWN_TIME, np.int64),
            data_at=blocks + SIMPLE_HEAD_BYTES,
            captured_bytes=captured,
            original_bytes=original,
        )

    def _add_interface(self, at: int) -> None:
        order = self._format.order
        length = self._word(order, at + 4)
        if length < INTERFACE_HEAD_BYTES + 4:
            raise CaptureError(at + 4, "an interface description is too short for its fields")
        link_type, _, snaplen = struct.unpack(order + "HHI", self._buffer[at + 8 : at + 16])
        options = dict(self._options(at + INTERFACE_HEAD_BYTES, at + length - 4))
        resolution = options.get(OPTION_TSRESOL, b"\x06")[:1] or b"\x06"
        base, exponent = (2 if resolution[0] & 0x80 else 10), resolution[0] & 0x7F
        offset = options.get(OPTION_TSOFFSET, b"")
        offset_s = struct.unpack(order + "q", offset)[0] if len(offset) == 8 else 0
        if not -(2**32) < offset_s < 2**32:
            raise CaptureError(at, f"invalid interface time offset {offset_s} s")
        self._interfaces.append(Interface(link_type, snaplen, base, exponent, offset_s))
        self.state.link_types.add(link_type)
        self.state.resolution_ns = max(self.state.resolution_ns, 1e9 * float(base) ** -exponent)

    def _add_drops(self, at: int) -> None:
        end = at + self._word(self._format.order, at + 4) - 4
        dropped = dict(self._options(at + STATISTICS_HEAD_BYTES, end)).get(OPTION_IFDROP, b"")
        if len(dropped) == 8:
            count = struct.unpack(self._format.order + "Q", dropped)[0]
            self.state.dropped_packets = (self.state.dropped_packets or 0) + count

    def _options(self, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= end:
            code, length = struct.unpack(self._format.order + "HH", self._buffer[at : at + 4])
            if code == 0 or at + 4 + length > end:
                return
            yield code, bytes(self._buffer[at + 4 : at + 4 + length])
            at += 4 + (length + 3 & ~3)
