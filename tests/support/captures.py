"""Make captures byte by byte: frames of every link type, and capture files of them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT_PORT, SERVER_PORT = 40000, 8888
TIMESTAMPS: Final = b"\x01\x01\x08\x0a" + bytes(8)
EPOCH_NS: Final = 1_700_000_000_000_000_000
MASK: Final = 0xFFFFFFFF

Link = Literal["ethernet", "vlan", "qinq", "sll", "sll2", "raw", "raw4", "raw6", "null", "null-big", "loop"]
LINK_TYPES: Final[dict[Link, int]] = {
    "ethernet": 1,
    "vlan": 1,
    "qinq": 1,
    "sll": 113,
    "sll2": 276,
    "raw": 101,
    "raw4": 228,
    "raw6": 229,
    "null": 0,
    "null-big": 0,
    "loop": 108,
}


@dataclass(frozen=True)
class Segment:
    """One TCP segment; its payload is `length` bytes of "a"."""

    seq: int
    ack: int = 0
    flags: int = ACK
    length: int = 0
    window: int = 500
    from_server: bool = False
    time_ns: int = EPOCH_NS
    options: bytes = b""
    ports: tuple[int, int] = (CLIENT_PORT, SERVER_PORT)

    def header(self) -> bytes:
        ports = self.ports[::-1] if self.from_server else self.ports
        options = self.options + b"\x00" * (-len(self.options) % 4)
        offset = (20 + len(options)) // 4 << 12
        numbers = (self.seq & MASK, self.ack & MASK, offset | self.flags, self.window, 0, 0)
        return struct.pack(">HHIIHHHH", *ports, *numbers) + options


def syn_options(*, mss: int = 1460, scale: int | None = 7) -> bytes:
    return struct.pack(">BBH", 2, 4, mss) + (b"" if scale is None else bytes((1, 3, 3, scale)))


def sack(*edges: int) -> bytes:
    return b"\x01\x01" + bytes((5, 2 + 4 * len(edges))) + b"".join(struct.pack(">I", edge & MASK) for edge in edges)


@dataclass(frozen=True)
class Wrapping:
    """The link and network headers of frames."""

    link: Link = "ethernet"
    version: int = 4
    ip_options: bytes = b""
    extensions: tuple[int, ...] = ()
    total_length_zero: bool = False
    fragment: int | None = None

    @property
    def link_type(self) -> int:
        return LINK_TYPES[self.link]

    def frame(self, segment: Segment) -> bytes:
        tcp = segment.header() + b"a" * segment.length
        return self._link() + (self._ipv4 if self.version == 4 else self._ipv6)(segment, tcp)

    def _link(self) -> bytes:
        ethertype = struct.pack(">H", 0x0800 if self.version == 4 else 0x86DD)
        family = 2 if self.version == 4 else 30
        return {
            "ethernet": bytes(12) + ethertype,
            "vlan": bytes(12) + b"\x81\x00\x00\x07" + ethertype,
            "qinq": bytes(12) + b"\x88\xa8\x00\x07\x81\x00\x00\x08" + ethertype,
            "sll": bytes(14) + ethertype,
            "sll2": ethertype + bytes(18),
            "raw": b"",
            "raw4": b"",
            "raw6": b"",
            "null": struct.pack("<I", family),
            "null-big": struct.pack(">I", family),
            "loop": struct.pack(">I", family),
        }[self.link]

    def _ipv4(self, segment: Segment, tcp: bytes) -> bytes:
        ends = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
        source, target = ends[::-1] if segment.from_server else ends
        options = self.ip_options
        total = 0 if self.total_length_zero else 20 + len(options) + len(tcp)
        fragment = 0x4000 if self.fragment is None else self.fragment
        head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, total, 0, fragment, 64, 6, 0)
        return head + source + target + options + tcp

    def _ipv6(self, segment: Segment, tcp: bytes) -> bytes:
        ends = tuple(bytes((0xFD, *bytes(14), end)) for end in (1, 2))
        source, target = ends[::-1] if segment.from_server else ends
        kinds = (*self.extensions, 6)
        chain = b"".join(self._extension(kind, after) for kind, after in pairwise(kinds))
        length = 0 if self.total_length_zero else len(chain) + len(tcp)
        return struct.pack(">IHBB", 0x60000000, length, kinds[0], 64) + source + target + chain + tcp

    def _extension(self, kind: int, after: int) -> bytes:
        if kind == 44:
            return struct.pack(">BBHI", after, 0, self.fragment or 0, 7)
        if kind == 51:
            return bytes((after, 4)) + bytes(22)
        return bytes((after, 1)) + bytes(14)


def pcap(
    segments: Sequence[Segment],
    wrapping: Wrapping | None = None,
    *,
    order: Literal["<", ">"] = "<",
    nanoseconds: bool = True,
    snaplen: int = 262_144,
) -> bytes:
    """Return a pcap file of the segments."""
    wrapping = wrapping or Wrapping()
    frames = [(segment.time_ns, wrapping.frame(segment)) for segment in segments]
    return pcap_file(frames, wrapping.link_type, order=order, nanoseconds=nanoseconds, snaplen=snaplen)


def pcap_file(
    frames: Sequence[tuple[int, bytes]],
    link_type: int,
    *,
    order: Literal["<", ">"] = "<",
    nanoseconds: bool = True,
    snaplen: int = 262_144,
) -> bytes:
    """Return a pcap file of frames, each with its time in nanoseconds."""
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    file = [struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, snaplen, link_type)]
    for time_ns, frame in frames:
        seconds, rest = divmod(time_ns, 1_000_000_000)
        kept = frame[:snaplen]
        file.append(struct.pack(order + "IIII", seconds, rest // unit, len(kept), len(frame)) + kept)
    return b"".join(file)


@dataclass
class Pcapng:
    """A pcapng file under construction."""

    order: Literal["<", ">"] = "<"
    blocks: list[bytes] = field(default_factory=list)

    def block(self, kind: int, body: bytes) -> "Pcapng":
        body += bytes(-len(body) % 4)
        length = struct.pack(self.order + "I", len(body) + 12)
        self.blocks.append(struct.pack(self.order + "I", kind) + length + body + length)
        return self

    def section(self, order: Literal["<", ">"] | None = None) -> "Pcapng":
        self.order = order or self.order
        return self.block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def option(self, code: int, value: bytes) -> bytes:
        return struct.pack(self.order + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    def interface(self, link_type: int = 1, *, snaplen: int = 0, options: bytes = b"") -> "Pcapng":
        return self.block(1, struct.pack(self.order + "HHI", link_type, 0, snaplen) + options)

    def packet(self, frame: bytes, stamp: int, *, interface: int = 0, kept: int | None = None) -> "Pcapng":
        data = frame[:kept]
        head = (interface, stamp >> 32, stamp & MASK, len(data), len(frame))
        return self.block(6, struct.pack(self.order + "IIIII", *head) + data)

    def simple_packet(self, frame: bytes) -> "Pcapng":
        return self.block(3, struct.pack(self.order + "I", len(frame)) + frame)

    def drops(self, count: int) -> "Pcapng":
        head = struct.pack(self.order + "III", 0, 0, 0)
        return self.block(5, head + self.option(5, struct.pack(self.order + "Q", count)))

    def data(self) -> bytes:
        return b"".join(self.blocks)


def pcapng(segments: Sequence[Segment], wrapping: Wrapping | None = None) -> bytes:
    """Return a pcapng file of the segments, in nanoseconds."""
    wrapping = wrapping or Wrapping()
    file = Pcapng().section()
    file.interface(wrapping.link_type, options=file.option(9, b"\x09"))
    for segment in segments:
        file.packet(wrapping.frame(segment), segment.time_ns)
    return file.data()


def handshake(*, client_isn: int = 1000, server_isn: int = 5000, scale: int | None = 7) -> list[Segment]:
    """Return SYN, SYN/ACK and ACK; 1 ms between them."""
    options = syn_options(scale=scale)
    return [
        Segment(client_isn, 0, SYN, window=64240, options=options, time_ns=EPOCH_NS),
        Segment(
            server_isn, client_isn + 1, SYN | ACK, window=65160, from_server=True, options=options,
            time_ns=EPOCH_NS + 1_000_000,
        ),
        Segment(client_isn + 1, server_isn + 1, ACK, time_ns=EPOCH_NS + 2_000_000),
    ]  # fmt: skip


def exchange(count: int = 20, *, length: int = 100, **numbers: int) -> list[Segment]:
    """Return a complete connection: the client sends, the server acknowledges every second segment, both close."""
    segments = handshake(**numbers)
    seq, ack = segments[-1].seq, segments[-1].ack
    for number in range(count):
        segments.append(Segment(seq, ack, ACK | PSH, length))
        seq += length
        if number % 2:
            segments.append(Segment(ack, seq, from_server=True))
    segments.append(Segment(seq, ack, FIN | ACK))
    segments.append(Segment(ack, seq + 1, FIN | ACK, from_server=True))
    segments.append(Segment(seq + 1, ack + 1))
    return spaced(segments)


def spaced(segments: Sequence[Segment], *, step_ns: int = 1_000_000) -> list[Segment]:
    """Return the same segments at equal intervals."""
    return [replace(segment, time_ns=EPOCH_NS + number * step_ns) for number, segment in enumerate(segments)]
