"""The wire format: bytes to records and back. Standard library only, no I/O."""

from testbed.wire.decoder import Decoder
from testbed.wire.encoder import encode_list, encode_node, list_blocks, list_bytes, rechunk, stream_chunks
from testbed.wire.errors import LocalError, Position, RemoteError, WireError
from testbed.wire.records import MAX_KEPT_BYTES, Caps, ListEnd, Node
from testbed.wire.text import escape

__all__ = [
    "MAX_KEPT_BYTES",
    "Caps",
    "Decoder",
    "ListEnd",
    "LocalError",
    "Node",
    "Position",
    "RemoteError",
    "WireError",
    "encode_list",
    "encode_node",
    "escape",
    "list_blocks",
    "list_bytes",
    "rechunk",
    "stream_chunks",
]
