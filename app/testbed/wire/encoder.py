"""Nodes to bytes: pure, in blocks of bounded size, never a whole list at once."""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Final

from testbed.wire.errors import LocalError
from testbed.wire.layout import HEADER_STRUCT, LAST_ID, NODE_STRUCT, TITLE_BYTES, node_offset
from testbed.wire.records import MIB, Node

BLOCK_BYTES: Final = 64 * 1024
"""Size of a block: the overhead per block is negligible, and the block stays in the second-level cache."""
CONTENT_BYTE: Final = b"a"
MAX_CACHED_LIST_BYTES: Final = 4 * MIB
"""A repeated list up to this size is encoded once."""

Block = bytes | bytearray | memoryview

_ID: Final = struct.Struct("<i")
_NUMBERED: Final = struct.Struct(NODE_STRUCT.format.partition(f"{TITLE_BYTES}s")[0] + f"{len('Book by 2147483647')}s")
"""The first fields of a record, the only ones that differ between the clients' nodes."""


def encode_header(count: int) -> bytes:
    """Return the header of a list; raise LocalError if `count` does not fit."""
    if not 0 <= count < 1 << 31:
        raise LocalError(f"a list cannot have {count} nodes")
    return HEADER_STRUCT.pack(count)


def encode_node(node: Node) -> bytes:
    """Return a node's record and content; raise LocalError if a value does not fit its field."""
    title = node.title.encode()
    content = node.content or b""
    if len(title) >= TITLE_BYTES or b"\0" in title:
        raise LocalError(f"the title of node {node.id} is longer than {TITLE_BYTES - 1} bytes or contains a NUL")
    if len(content) != node.content_length:
        raise LocalError(f"node {node.id} announces {node.content_length} bytes and has {len(content)}")
    try:
        record = NODE_STRUCT.pack(node.id, node.next_id, node.rating, node.price, title, node.content_length)
    except struct.error as error:
        raise LocalError(f"node {node.id}: {error}") from error
    return record + content


def encode_list(nodes: Iterable[Node]) -> bytes:
    """Return a whole list, with nodes and links as given; raise LocalError like `encode_node`."""
    encoded = [encode_node(node) for node in nodes]
    return encode_header(len(encoded)) + b"".join(encoded)


def list_bytes(nodes: int, content_bytes: int) -> int:
    """Return the length in bytes of the list that `list_blocks` yields."""
    return HEADER_STRUCT.size + nodes * (NODE_STRUCT.size + content_bytes)


def list_blocks(nodes: int, content_bytes: int) -> Iterator[bytes]:
    """Yield the list that the clients send (docs/wire-format.md), in blocks of BLOCK_BYTES or less."""
    return map(bytes, _blocks(nodes, content_bytes))


def stream_chunks(nodes: int, content_bytes: int, lists: int, chunk_bytes: int) -> Iterator[memoryview]:
    """Yield the same list `lists` times (0 = endlessly), in chunks of `chunk_bytes`, the last one shorter.

    A chunk is valid until the next one is requested.
    """
    repetitions: Iterable[None] = repeat(None) if lists == 0 else repeat(None, lists)
    if lists != 1 and list_bytes(nodes, content_bytes) <= MAX_CACHED_LIST_BYTES:
        encoded = b"".join(list_blocks(nodes, content_bytes))
        return rechunk((encoded for _ in repetitions), chunk_bytes)
    return rechunk(chain.from_iterable(_blocks(nodes, content_bytes) for _ in repetitions), chunk_bytes)


def rechunk(blocks: Iterable[Block], chunk_bytes: int) -> Iterator[memoryview]:
    """Split a stream of blocks into chunks of exactly `chunk_bytes`, the last one shorter.

    A chunk is a view of its block where possible. A block is released when the next one is requested.
    """
    parts: list[Block] = []
    missing = chunk_bytes
    for block in blocks:
        view = memoryview(block)
        size = len(view)
        start = 0
        if parts and size >= missing:
            yield memoryview(b"".join([*parts, view[:missing]]))
            start, missing = missing, chunk_bytes
            parts = []
        if not parts:
            end = size - (size - start) % chunk_bytes
            for at in range(start, end, chunk_bytes):
                yield view[at : at + chunk_bytes]
            start = end
        if start < size:
            parts.append(bytes(view[start:]))
            missing -= size - start
    if parts:
        yield memoryview(b"".join(parts))


def _blocks(nodes: int, content_bytes: int) -> Iterator[Block]:
    """Yield the list in blocks; each is valid until the next one is requested."""
    yield encode_header(nodes)
    node_bytes = NODE_STRUCT.size + content_bytes
    record = NODE_STRUCT.pack(0, 0, 0, 0, b"", content_bytes)
    if node_bytes > BLOCK_BYTES:
        yield from _large_nodes(bytearray(record), nodes, content_bytes)
        return
    per_block = BLOCK_BYTES // node_bytes
    block = bytearray((record + CONTENT_BYTE * content_bytes) * min(per_block, nodes))
    view = memoryview(block)
    for first in range(0, nodes, per_block):
        last = min(first + per_block, nodes)
        _number(block, range(first, last), node_bytes, nodes)
        yield view[: (last - first) * node_bytes]


def _large_nodes(record: bytearray, nodes: int, content_bytes: int) -> Iterator[Block]:
    piece = CONTENT_BYTE * BLOCK_BYTES
    whole, rest = divmod(content_bytes, BLOCK_BYTES)
    for index in range(nodes):
        _number(record, range(index, index + 1), NODE_STRUCT.size, nodes)
        yield record
        yield from repeat(piece, whole)
        if rest:
            yield piece[:rest]


def _number(block: bytearray, indexes: range, node_bytes: int, nodes: int) -> None:
    """Write the fields that differ between nodes into a block of equal nodes."""
    pack_into = _NUMBERED.pack_into
    at = 0
    for index in indexes:
        rating = (2 * index + 0x8000 & 0xFFFF) - 0x8000
        pack_into(block, at, index, index + 1, rating, 3 * index & 0xFFFFFFFF, b"Book by %d" % index)
        at += node_bytes
    if indexes.stop == nodes:
        _ID.pack_into(block, at - node_bytes + node_offset("next_id"), LAST_ID)
