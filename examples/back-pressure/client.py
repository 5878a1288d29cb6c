"""A client in asyncio that keeps the endpoint contract, and respects back-pressure or not.

`writer.write()` never waits: what the kernel does not take is kept in a buffer of the transport, which has no limit.
`await writer.drain()` is what waits until that buffer is small again. With DRAIN=0 it is left out, a common mistake.
"""

import asyncio
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
UNSUPPORTED = 127
RECORD = struct.Struct("<iih2xI255sxI")
LOG_HEADER = "# realtime_offset_ns={}\nop,start_ns,end_ns,bytes,total_bytes\n"


def number(name: str) -> int:
    """Return a setting of the contract."""
    return int(os.environ[f"TESTBED_{name}"])


def blocks(nodes: int, content_bytes: int) -> Iterator[bytes]:
    """Yield the list: its header, then a record and its content for each node."""
    yield struct.pack("<i", nodes)
    content = b"a" * content_bytes
    for index in range(nodes):
        following = index + 1 if index + 1 < nodes else -1
        rating = (2 * index + 0x8000 & 0xFFFF) - 0x8000
        price = 3 * index & 0xFFFFFFFF
        yield RECORD.pack(index, following, rating, price, f"Book by {index}".encode(), content_bytes)
        yield content


def chunks(size: int) -> Iterator[bytes]:
    """Yield the list cut into what one write is given; it is made on the way and never held as a whole."""
    rest = bytearray()
    for block in blocks(number("NODES"), number("CONTENT_BYTES")):
        rest += block
        while len(rest) >= size:
            yield bytes(rest[:size])
            del rest[:size]
    if rest:
        yield bytes(rest)


def connected() -> socket.socket:
    """Connect over the family that is asked for, trying one address after another."""
    found = socket.getaddrinfo(
        os.environ["TESTBED_HOST"], number("PORT"), FAMILIES[os.environ["TESTBED_FAMILY"]], socket.SOCK_STREAM
    )
    for family, kind, protocol, _, address in found:
        opened = socket.socket(family, kind, protocol)
        if number("SNDBUF_BYTES"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, number("SNDBUF_BYTES"))
        try:
            opened.connect(address)
        except OSError:
            opened.close()
        else:
            return opened
    sys.exit("client: no address took the connection")


async def send(*, drain: bool) -> None:
    """Send the list and log each write; then wait until the server closes, which says that it has read everything."""
    reader, writer = await asyncio.open_connection(sock=connected())
    total = 0
    with Path(os.environ.get("TESTBED_EVENTS") or os.devnull).open("w") as log:
        log.write(LOG_HEADER.format(time.time_ns() - time.monotonic_ns()))
        for chunk in chunks(number("CHUNK_BYTES")):
            start_ns = time.monotonic_ns()
            writer.write(chunk)
            if drain:
                await writer.drain()
            total += len(chunk)
            log.write(f"write,{start_ns},{time.monotonic_ns()},{len(chunk)},{total}\n")
            # Others have their turn, as in any program that does more than one thing.
            await asyncio.sleep(0)
    writer.write_eof()
    await reader.read()
    writer.close()


if os.environ.get("TESTBED_ROLE") != "client" or os.environ.get("TESTBED_FAMILY") not in FAMILIES:
    sys.exit(UNSUPPORTED)
asyncio.run(send(drain=os.environ.get("DRAIN") == "1"))
