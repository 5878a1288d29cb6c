"""An asyncio client that implements the endpoint contract, with or without back-pressure.

`writer.write()` never waits: the transport buffers the data that the kernel does not accept, without a limit.
`await writer.drain()` waits until that buffer is small again. DRAIN=0 omits it, a common mistake.
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
    """Return a numeric setting of the contract."""
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
    """Yield the list in chunks, one per write; the list is generated piece by piece."""
    rest = bytearray()
    for block in blocks(number("NODES"), number("CONTENT_BYTES")):
        rest += block
        while len(rest) >= size:
            yield bytes(rest[:size])
            del rest[:size]
    if rest:
        yield bytes(rest)


def connected() -> socket.socket:
    """Connect over the requested family, trying one address after another."""
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
    sys.exit("client: could not connect to any address")


async def send(*, drain: bool) -> None:
    """Send the list and log each write; then wait until the server has read everything and closes."""
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
            # Let other tasks run, as in any larger program.
            await asyncio.sleep(0)
    writer.write_eof()
    await reader.read()
    writer.close()


if os.environ.get("TESTBED_ROLE") != "client" or os.environ.get("TESTBED_FAMILY") not in FAMILIES:
    sys.exit(UNSUPPORTED)
asyncio.run(send(drain=os.environ.get("DRAIN") == "1"))
