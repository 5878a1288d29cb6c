"""Find the TCP header behind link and network headers, for many frames at once.

Frames are split into groups in which every header begins at the same place, so that each field of a group is one
strided column. Real captures have one or two groups; odd ones (tags, options, extension headers) have a few more.
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
"""Link types whose frames are understood; packets of others are counted, not read. (tcpdump.org/linktypes.html)"""

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
TCP_COLUMN_BYTES: Final = 28  # up to the time stamp's value; of other options only few frames' are read
ETHERNET_PAD_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames side by side: the first `width` bytes of each as columns of words, and where the rest is.

    `which` is the index among the records and `data_at` the offset in the buffer; `captured_bytes` say how much of the
    frame is there, `original_bytes` how long it was on the link. In front of each frame are `pad` bytes of whatever
    precedes it in the file, so that the network header, and with it all that is read, begins at a whole word.
    """

    buffer: Buffer
    words: Words
    pad: int
    which: Index
    data_at: Index
    captured_bytes: Index
    original_bytes: Index

    @staticmethod
    def of(buffer: Buffer, records: Records, which: Index | None, width: int) -> "Frames":
        """Return the frames of records, of all or of the chosen ones."""
        chosen = records if which is None else records.take(which)
        if which is None:
            which = np.arange(len(records.number))
        pad = ETHERNET_PAD_BYTES if records.link_type == ETHERNET else 0
        words = gather_words(buffer, chosen.data_at - pad, width, ">")
        return Frames(buffer, words, pad, which, chosen.data_at, chosen.captured_bytes, chosen.original_bytes)

    def take(self, mask: NDArray[np.bool_]) -> "Frames":
        """Return the frames where `mask` is true."""
        if mask.all():
            return self
        at = np.flatnonzero(mask)
        columns = (self.which[at], self.data_at[at], self.captured_bytes[at], self.original_bytes[at])
        return Frames(self.buffer, self.words.take(at, axis=1), self.pad, *columns)

    def __len__(self) -> int:
        return len(self.which)

    def reaching(self, end: int) -> "Frames":
        """Return the frames of which at least `end` bytes are there."""
        return self.take(self.captured_bytes >= end)

    @property
    def width(self) -> int:
        """How many bytes of each frame there are columns of."""
        return len(self.words) * WORD_BYTES - self.pad

    def u8(self, at: int) -> NDArray[np.uint8]:
        """Return byte `at` of each frame."""
        word, byte = divmod(at + self.pad, WORD_BYTES)
        column: Words = self.words[word]
        return (column >> (24 - 8 * byte)).astype(np.uint8)

    def u16(self, at: int) -> NDArray[np.uint16]:
        """Return the number in the two bytes from `at` on."""
        word, byte = divmod(at + self.pad, WORD_BYTES)
        column: Words = self.words[word]
        return (column >> (16 - 8 * byte)).astype(np.uint16)

    def u32(self, at: int) -> Words:
        """Return the number in the four bytes from `at` on, which is a whole word."""
        column: Words = self.words[(at + self.pad) // WORD_BYTES]
        return column

    def rows(self, which: Index, at: int, width: int) -> Bytes:
        """Return so many bytes of some frames from byte `at` on, a row each, as they are in the file."""
        return gather_rows(self.buffer, self.data_at[which] + at, width)


@dataclass(frozen=True, slots=True)
class TcpGroup:
    """Frames whose network header begins at `network_at` and TCP header at `tcp_at`.

    `segment_bytes` is the length of TCP header and payload, from the network header, never from what was captured.
    """

    frames: Frames
    version: int
    network_at: int
    tcp_at: int
    segment_bytes: Index

    def addresses(self) -> tuple[list[Words], list[Words]]:
        """Return the columns of words of the source's and of the target's address."""
        first, words = (12, 1) if self.version == 4 else (8, 4)
        source_at = self.network_at + first
        columns = [self.frames.u32(source_at + WORD_BYTES * n) for n in range(2 * words)]
        return columns[:words], columns[words:]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk along IPv6 extension headers stands: the byte at `next_at` says what begins at `at`."""

    network_at: int
    at: int
    next_at: int
    left: int


@dataclass(slots=True)
class Skipped:
    """Why packets are not in the analysis: how many, by reason."""

    link_type: int = 0
    not_ip: int = 0
    not_tcp: int = 0
    fragment: int = 0
    cut: int = 0
    malformed: int = 0


@dataclass(slots=True)
class Dissection:
    """Splits frames into groups; `deep` are those whose headers reach beyond the gathered rows."""

    skipped: Skipped
    groups: list[TcpGroup] = field(default_factory=list)
    deep: list[Index] = field(default_factory=list)

    def link(self, frames: Frames, link_type: int) -> None:
        """Begin at the link header."""
        if link_type in RAW:
            self._raw(frames, 0)
        elif link_type in (NULL, LOOP):
            self._loopback(self._reaching(frames, 4))
        elif link_type in (ETHERNET, SLL, SLL2):
            type_at, network_at = {ETHERNET: (12, 14), SLL: (14, 16), SLL2: (0, 20)}[link_type]
            self._by_ethertype(self._reaching(frames, network_at), type_at, network_at, MAX_TAGS)
        else:
            self.skipped.link_type += len(frames)

    def _reaching(self, frames: Frames, end: int) -> Frames:
        """Return the frames that have `end` bytes; the others are cut, or lie beyond the rows."""
        if end > frames.width:
            self.deep.append(frames.which)
            return frames.take(np.zeros(len(frames), np.bool_))
        there = frames.reaching(end)
        self.skipped.cut += len(frames) - len(there)
        return there

    def _raw(self, frames: Frames, network_at: int) -> None:
        frames = self._reaching(frames, network_at + 1)
        version = frames.u8(network_at) >> 4
        self._by_version(frames, version == 4, version == 6, network_at)

    def _loopback(self, frames: Frames) -> None:
        # NULL has the capturing machine's byte order, LOOP the network's; a family is one byte in either.
        family = np.maximum(frames.u8(0), frames.u8(3))
        self._by_version(frames, family == 2, np.isin(family, LOOPBACK_IPV6), 4)

    def _by_ethertype(self, frames: Frames, type_at: int, network_at: int, tags_left: int) -> None:
        ethertype = frames.u16(type_at)
        v4, v6 = ethertype == ETHERTYPE_IPV4, ethertype == ETHERTYPE_IPV6
        if tags_left and not (v4 | v6).all():
            tagged = np.isin(ethertype, VLAN_ETHERTYPES)
            inner = self._reaching(frames.take(tagged), network_at + 4)
            self._by_ethertype(inner, network_at + 2, network_at + 4, tags_left - 1)
            frames, v4, v6 = frames.take(~tagged), v4[~tagged], v6[~tagged]
        self._by_version(frames, v4, v6, network_at)

    def _by_version(self, frames: Frames, v4: NDArray[np.bool_], v6: NDArray[np.bool_], network_at: int) -> None:
        self.skipped.not_ip += len(frames) - int(v4.sum()) - int(v6.sum())
        if v4.any():
            self._ipv4(self._reaching(frames.take(v4), network_at + 20), network_at)
        if v6.any():
            self._ipv6(self._reaching(frames.take(v6), network_at + 40), network_at)

    def _ipv4(self, frames: Frames, at: int) -> None:
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

    def _ipv6(self, frames: Frames, at: int) -> None:
        right = frames.u8(at) >> 4 == 6
        self.skipped.malformed += len(frames) - int(right.sum())
        frames = frames.take(right)
        available = frames.original_bytes - (at + 40)
        payload = _length(frames.u16(at + 4), available)
        self._extensions(frames, payload, Place(at, at + 40, at + 6, MAX_EXTENSIONS))

    def _extensions(self, frames: Frames, length: Index, place: Place) -> None:
        following = frames.u8(place.next_at)
        is_tcp = following == TCP
        if is_tcp.any():
            self._tcp(frames.take(is_tcp), 6, place.network_at, place.at, length[is_tcp])
        for kind in EXTENSIONS if place.left else ():
            chosen = following == kind
            if chosen.any():
                self._one_extension(frames.take(chosen), length[chosen], place, kind)
        known = is_tcp | np.isin(following, EXTENSIONS) if place.left else is_tcp
        self.skipped.not_tcp += len(frames) - int(known.sum())

    def _one_extension(self, frames: Frames, length: Index, place: Place, kind: int) -> None:
        at = place.at
        if at + 8 > frames.width:
            self.deep.append(frames.which)
            return
        there = frames.captured_bytes >= at + 8
        self.skipped.cut += len(frames) - int(there.sum())
        frames, length = frames.take(there), length[there]
        if kind == FRAGMENT:
            whole = frames.u16(at + 2) & 0xFFF9 == 0  # neither an offset nor more to come: RFC 6946's atomic one
            self.skipped.fragment += len(frames) - int(whole.sum())
            frames, length = frames.take(whole), length[whole]
            sizes = np.full(len(frames), 8, np.int64)
        elif kind == AUTHENTICATION:
            sizes = (frames.u8(at + 1).astype(np.int64) + 2) * 4
        else:
            sizes = (frames.u8(at + 1).astype(np.int64) + 1) * 8
        for size in np.unique(sizes).tolist():
            chosen = sizes == size
            behind = Place(place.network_at, at + size, at, place.left - 1)
            self._extensions(frames.take(chosen), length[chosen] - size, behind)

    def _tcp(self, frames: Frames, version: int, network_at: int, tcp_at: int, segment_bytes: Index) -> None:
        if tcp_at + TCP_COLUMN_BYTES > frames.width:
            self.deep.append(frames.which)
            return
        there = frames.captured_bytes >= tcp_at + TCP_NEEDED_BYTES
        self.skipped.cut += len(frames) - int(there.sum())
        frames, segment_bytes = frames.take(there), segment_bytes[there]
        header_bytes = frames.u8(tcp_at + 12) >> 4 << 2
        good = segment_bytes >= header_bytes
        self.skipped.malformed += len(frames) - int(good.sum())
        if good.any():
            self.groups.append(TcpGroup(frames.take(good), version, network_at, tcp_at, segment_bytes[good]))


def _length(told: NDArray[np.uint16], available: Index) -> Index:
    """Return what a length field says, as far as the frame goes; 0 stands for more than the field can say."""
    length = np.minimum(told, available)
    big = told == 0
    length[big] = available[big]
    return length
