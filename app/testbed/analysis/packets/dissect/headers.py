"""Find the TCP header behind link and network headers, for many frames at once.

Frames are split into groups in which every header begins at the same offset, so that each field of a group is one
column. Most captures have one or two groups; VLAN tags, IP options and extension headers add a few more.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.read.records import Records
from testbed.analysis.packets.read.views import WORD_BYTES, Buffer, Bytes, Words, gather_rows, gather_words

Index = NDArray[np.int64]

ETHERNET, NULL, LOOP, SLL, SLL2 = 1, 0, 108, 113, 276
RAW: Final = {12, 14, 101, 228, 229}
LINK_TYPES: Final = {ETHERNET, NULL, LOOP, SLL, SLL2} | RAW
"""The supported link types, see tcpdump.org/linktypes.html; packets of other types are counted, not read."""

ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
VLAN_ETHERTYPES: Final = (0x8100, 0x88A8, 0x9100)
LOOPBACK_IPV6: Final = (10, 24, 28, 30)  # AF_INET6 of Linux, NetBSD, FreeBSD, macOS
MAX_TAGS: Final = 4
MAX_EXTENSIONS: Final = 8

TCP: Final = 6
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS: Final = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)
MORE_FRAGMENTS: Final = 0x2000  # of IPv4
TCP_NEEDED_BYTES: Final = 16  # up to the window; the checksum and the urgent pointer are not read
TCP_COLUMN_BYTES: Final = 28  # up to TSval; the few other options are read by `dissect.options`
ETHERNET_PAD_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class RawFrames:
    """The first `width` bytes of many frames as columns of words, and where the rest of each frame is.

    `which` is a frame's index among the records and `data_at` its offset in the buffer; `captured_bytes` is how much of
    it was captured, `original_bytes` its length on the link. Each frame is preceded by the `pad` bytes before it in
    the file, so that the network header and all fields after it are word-aligned.
    """

    buffer: Buffer
    words: Words
    pad: int
    which: Index
    data_at: Index
    captured_bytes: Index
    original_bytes: Index

    @staticmethod
    def of(buffer: Buffer, records: Records, which: Index | None, width: int) -> "RawFrames":
        """Return the frames of all records, or of the chosen ones."""
        chosen = records if which is None else records.take(which)
        if which is None:
            which = np.arange(len(records.number))
        pad = ETHERNET_PAD_BYTES if records.link_type == ETHERNET else 0
        words = gather_words(buffer, chosen.data_at - pad, width, ">")
        return RawFrames(buffer, words, pad, which, chosen.data_at, chosen.captured_bytes, chosen.original_bytes)

    def take(self, mask: NDArray[np.bool_]) -> "RawFrames":
        """Return the frames where `mask` is true."""
        if mask.all():
            return self
        at = np.flatnonzero(mask)
        columns = (self.which[at], self.data_at[at], self.captured_bytes[at], self.original_bytes[at])
        return RawFrames(self.buffer, self.words.take(at, axis=1), self.pad, *columns)

    def __len__(self) -> int:
        return len(self.which)

    def with_bytes(self, end: int) -> "RawFrames":
        """Return the frames of which at least `end` bytes were captured."""
        return self.take(self.captured_bytes >= end)

    @property
    def width(self) -> int:
        """How many bytes of each frame the columns hold."""
        return len(self.words) * WORD_BYTES - self.pad

    def u8(self, at: int) -> NDArray[np.uint8]:
        """Return byte `at` of each frame."""
        word, byte = divmod(at + self.pad, WORD_BYTES)
        column: Words = self.words[word]
        return (column >> (24 - 8 * byte)).astype(np.uint8)

    def u16(self, at: int) -> NDArray[np.uint16]:
        """Return the 16-bit number at byte `at` of each frame."""
        word, byte = divmod(at + self.pad, WORD_BYTES)
        column: Words = self.words[word]
        return (column >> (16 - 8 * byte)).astype(np.uint16)

    def u32(self, at: int) -> Words:
        """Return the 32-bit number at byte `at` of each frame; `at` is word-aligned."""
        column: Words = self.words[(at + self.pad) // WORD_BYTES]
        return column

    def rows(self, which: Index, at: int, width: int) -> Bytes:
        """Return `width` bytes from byte `at` on of the frames `which`, one row a frame, in file order."""
        return gather_rows(self.buffer, self.data_at[which] + at, width)


@dataclass(frozen=True, slots=True)
class TcpGroup:
    """Frames whose network header begins at `network_at` and TCP header at `tcp_at`.

    `segment_bytes` is the length of TCP header and payload, from the network header, never from what was captured.
    """

    frames: RawFrames
    version: int
    network_at: int
    tcp_at: int
    segment_bytes: Index

    def addresses(self) -> tuple[list[Words], list[Words]]:
        """Return the source addresses and the target addresses, each as columns of words."""
        first, words = (12, 1) if self.version == 4 else (8, 4)
        source_at = self.network_at + first
        columns = [self.frames.u32(source_at + WORD_BYTES * n) for n in range(2 * words)]
        return columns[:words], columns[words:]


@dataclass(frozen=True, slots=True)
class ExtensionCursor:
    """A position in a chain of IPv6 extension headers: the byte at `next_header_at` is the type of the header at `at`.

    At most `headers_left` more extension headers are followed.
    """

    network_at: int
    at: int
    next_header_at: int
    headers_left: int


@dataclass(slots=True)
class Skipped:
    """How many packets are not in the analysis, by reason."""

    link_type: int = 0
    not_ip: int = 0
    not_tcp: int = 0
    fragment: int = 0
    truncated: int = 0
    malformed: int = 0


@dataclass(slots=True)
class Dissection:
    """Splits frames into groups; `deep` lists frames whose headers are longer than the columns."""

    skipped: Skipped
    groups: list[TcpGroup] = field(default_factory=list)
    deep: list[Index] = field(default_factory=list)

    def dissect(self, frames: RawFrames, link_type: int) -> None:
        """Dissect frames from their link header on."""
        if link_type in RAW:
            self._raw(frames, 0)
        elif link_type in (NULL, LOOP):
            self._loopback(self._require(frames, 4))
        elif link_type in (ETHERNET, SLL, SLL2):
            type_at, network_at = {ETHERNET: (12, 14), SLL: (14, 16), SLL2: (0, 20)}[link_type]
            self._by_ethertype(self._require(frames, network_at), type_at, network_at, MAX_TAGS)
        else:
            self.skipped.link_type += len(frames)

    def _require(self, frames: RawFrames, end: int) -> RawFrames:
        """Return the frames that have `end` bytes; count the others as truncated, or list them as deep."""
        if end > frames.width:
            self.deep.append(frames.which)
            return frames.take(np.zeros(len(frames), np.bool_))
        captured = frames.with_bytes(end)
        self.skipped.truncated += len(frames) - len(captured)
        return captured

    def _raw(self, frames: RawFrames, network_at: int) -> None:
        frames = self._require(frames, network_at + 1)
        version = frames.u8(network_at) >> 4
        self._by_version(frames, version == 4, version == 6, network_at)

    def _loopback(self, frames: RawFrames) -> None:
        # NULL has the capturing machine's byte order, LOOP the network's; a family is one byte in either.
        family = np.maximum(frames.u8(0), frames.u8(3))
        self._by_version(frames, family == 2, np.isin(family, LOOPBACK_IPV6), 4)

    def _by_ethertype(self, frames: RawFrames, type_at: int, network_at: int, tags_left: int) -> None:
        ethertype = frames.u16(type_at)
        v4, v6 = ethertype == ETHERTYPE_IPV4, ethertype == ETHERTYPE_IPV6
        if tags_left and not (v4 | v6).all():
            tagged = np.isin(ethertype, VLAN_ETHERTYPES)
            inner = self._require(frames.take(tagged), network_at + 4)
            self._by_ethertype(inner, network_at + 2, network_at + 4, tags_left - 1)
            frames, v4, v6 = frames.take(~tagged), v4[~tagged], v6[~tagged]
        self._by_version(frames, v4, v6, network_at)

    def _by_version(self, frames: RawFrames, v4: NDArray[np.bool_], v6: NDArray[np.bool_], network_at: int) -> None:
        self.skipped.not_ip += len(frames) - int(v4.sum()) - int(v6.sum())
        if v4.any():
            self._ipv4(self._require(frames.take(v4), network_at + 20), network_at)
        if v6.any():
            self._ipv6(self._require(frames.take(v6), network_at + 40), network_at)

    def _ipv4(self, frames: RawFrames, at: int) -> None:
        is_tcp = frames.u8(at + 9) == TCP
        self.skipped.not_tcp += len(frames) - int(is_tcp.sum())
        frames = frames.take(is_tcp)
        whole = frames.u16(at + 6) & (MORE_FRAGMENTS | 0x1FFF) == 0
        self.skipped.fragment += len(frames) - int(whole.sum())
        frames = frames.take(whole)
        start = frames.u8(at)
        for value in np.flatnonzero(np.bincount(start)).tolist():
            chosen = frames.take(start == value)
            header_bytes = (value & 15) * 4
            if value >> 4 != 4 or header_bytes < 20:
                self.skipped.malformed += len(chosen)
                continue
            available = chosen.original_bytes - at
            total = _length(chosen.u16(at + 2), available)
            self._tcp(chosen, 4, at, at + header_bytes, total - header_bytes)

    def _ipv6(self, frames: RawFrames, at: int) -> None:
        is_version_6 = frames.u8(at) >> 4 == 6
        self.skipped.malformed += len(frames) - int(is_version_6.sum())
        frames = frames.take(is_version_6)
        available = frames.original_bytes - (at + 40)
        payload = _length(frames.u16(at + 4), available)
        self._extensions(frames, payload, ExtensionCursor(at, at + 40, at + 6, MAX_EXTENSIONS))

    def _extensions(self, frames: RawFrames, length: Index, cursor: ExtensionCursor) -> None:
        next_header = frames.u8(cursor.next_header_at)
        is_tcp = next_header == TCP
        if is_tcp.any():
            self._tcp(frames.take(is_tcp), 6, cursor.network_at, cursor.at, length[is_tcp])
        for kind in EXTENSIONS if cursor.headers_left else ():
            chosen = next_header == kind
            if chosen.any():
                self._one_extension(frames.take(chosen), length[chosen], cursor, kind)
        known = is_tcp | np.isin(next_header, EXTENSIONS) if cursor.headers_left else is_tcp
        self.skipped.not_tcp += len(frames) - int(known.sum())

    def _one_extension(self, frames: RawFrames, length: Index, cursor: ExtensionCursor, kind: int) -> None:
        at = cursor.at
        if at + 8 > frames.width:
            self.deep.append(frames.which)
            return
        captured = frames.captured_bytes >= at + 8
        self.skipped.truncated += len(frames) - int(captured.sum())
        frames, length = frames.take(captured), length[captured]
        if kind == FRAGMENT:
            whole = frames.u16(at + 2) & 0xFFF9 == 0  # offset 0, no more fragments: atomic (RFC 6946)
            self.skipped.fragment += len(frames) - int(whole.sum())
            frames, length = frames.take(whole), length[whole]
            sizes = np.full(len(frames), 8, np.int64)
        elif kind == AUTHENTICATION:
            sizes = (frames.u8(at + 1).astype(np.int64) + 2) * 4
        else:
            sizes = (frames.u8(at + 1).astype(np.int64) + 1) * 8
        for size in np.unique(sizes).tolist():
            chosen = sizes == size
            after = ExtensionCursor(cursor.network_at, at + size, at, cursor.headers_left - 1)
            self._extensions(frames.take(chosen), length[chosen] - size, after)

    def _tcp(self, frames: RawFrames, version: int, network_at: int, tcp_at: int, segment_bytes: Index) -> None:
        if tcp_at + TCP_COLUMN_BYTES > frames.width:
            self.deep.append(frames.which)
            return
        captured = frames.captured_bytes >= tcp_at + TCP_NEEDED_BYTES
        self.skipped.truncated += len(frames) - int(captured.sum())
        frames, segment_bytes = frames.take(captured), segment_bytes[captured]
        header_bytes = frames.u8(tcp_at + 12) >> 4 << 2
        good = segment_bytes >= header_bytes
        self.skipped.malformed += len(frames) - int(good.sum())
        if good.any():
            self.groups.append(TcpGroup(frames.take(good), version, network_at, tcp_at, segment_bytes[good]))


def _length(field_value: NDArray[np.uint16], available: Index) -> Index:
    """Return the length in a header field, at most what the frame has; 0 means the whole frame (GSO, BIG TCP)."""
    length = np.minimum(field_value, available)
    is_whole = field_value == 0
    length[is_whole] = available[is_whole]
    return length
