"""The records of the format as values, and the caps of a receiver."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


class Node(NamedTuple):
    """One node, received or to be sent; `content` is None where contents are only digested."""

    id: int
    next_id: int
    rating: int
    price: int
    title: str
    content_length: int
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class ListEnd:
    """A complete, valid list: `order` has the nodes' indices in order of arrival, sorted by the links."""

    count: int
    size_bytes: int
    sha256_hex: str
    order: Sequence[int]


MIB: Final = 1 << 20
GIB: Final = 1 << 30

MAX_NODES: Final = 100_000
"""Enough for a list of 100 MB in nodes of 1 kB; the worst list costs a receiver about 60 MB."""
MAX_CONTENT_BYTES: Final = 16 * MIB
"""Ten times the longest transfer of the exercise in one node; the maximum of one allocation for kept contents."""
MAX_TOTAL_BYTES: Final = 16 * GIB
"""Enough for a long digested transfer, which costs time but no memory."""
MAX_KEPT_BYTES: Final = 256 * MIB
"""The same cap where contents are kept and occupy memory."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The maximum that a receiver accepts: nodes of a list, bytes of a content, bytes of a list with its header."""

    max_nodes: int = MAX_NODES
    max_content_bytes: int = MAX_CONTENT_BYTES
    max_total_bytes: int = MAX_TOTAL_BYTES
