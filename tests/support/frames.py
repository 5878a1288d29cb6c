"""Frames for tests of the link, and a way to send many of them through a pipeline at exact times."""

import struct
from collections.abc import Iterable

from netem.pipeline import Pipeline, Resources
from netem.pipeline.frame import checksum
from netem.spec import parse

ETHERNET = bytes(12)
NO_FILES = Resources()


def ipv4(payload: bytes = b"", *, protocol: int = 6, tos: int = 0, fragment: int = 0, vlan: bool = False) -> bytes:
    """Return an Ethernet frame with an IPv4 packet whose header checksum is right."""
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 1, fragment, 64, protocol, 0, bytes(4), b"\1\2\3\4"
    )
    header = header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
    return ETHERNET + (b"\x81\0\0\5" if vlan else b"") + b"\x08\0" + header + payload


def ipv6(payload: bytes = b"", *, protocol: int = 6, traffic_class: int = 0) -> bytes:
    """Return an Ethernet frame with an IPv6 packet."""
    header = struct.pack("!IHBB16s16s", 6 << 28 | traffic_class << 20, len(payload), protocol, 64, bytes(16), bytes(16))
    return ETHERNET + b"\x86\xdd" + header + payload


def ports(source: int, destination: int) -> bytes:
    """Return the first bytes of a TCP or UDP header."""
    return struct.pack("!HH", source, destination) + bytes(16)


def numbered(number: int, size: int = 38) -> bytes:
    """Return an IPv4 frame of `size` bytes in all that carries its number at the end."""
    return ipv4(bytes(size - 38) + number.to_bytes(4, "big"))


def number_of(frame: bytes) -> int:
    return int.from_bytes(frame[-4:], "big")


def send(pipeline: Pipeline, arrivals: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Push each frame at its time, pop everything exactly when it is due; return (time, frame) of all that left."""
    left = []
    now_ns = 0

    def drain(until_ns: int | None) -> None:
        due_ns = pipeline.next_due_ns()
        while due_ns is not None and (until_ns is None or due_ns <= until_ns):
            at_ns = max(due_ns, now_ns)
            left.extend((at_ns, bytes(frame)) for frame in pipeline.pop_due(at_ns))
            due_ns = pipeline.next_due_ns()

    for arrival_ns, frame in arrivals:
        drain(arrival_ns)
        now_ns = arrival_ns
        pipeline.push(frame, now_ns)
    drain(None)
    return left


def send_numbered(
    text: str,
    packets: int,
    *,
    every_ns: int = 10**6,
    seed: int = 1,
    size: int = 38,
    resources: Resources = NO_FILES,
) -> tuple[Pipeline, list[tuple[int, int]]]:
    """Send `packets` numbered frames through an impairment; return the pipeline and (time, number) of all that left."""
    pipeline = Pipeline(parse(text), seed, resources=resources)
    left = send(pipeline, ((number * every_ns, numbered(number, size)) for number in range(packets)))
    return pipeline, [(at_ns, number_of(frame)) for at_ns, frame in left]
