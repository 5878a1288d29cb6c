"""Define the layout of the wire format: this table is the only place with offsets, sizes, byte order and meanings.

The Python structs derive from it at import. `tools/generate.py` writes the C header (`app/c/wire_layout.h`) and the
table in `docs/wire-format.md` from it, and a test compares them.
Little-endian; integers are two's complement. A C compiler on x86-64 produces the same layout for
`{int id; int next_id; short rating; unsigned price; char title[255]; unsigned content_length;}`, so its
padding appears here as two named fields: zero when sent, ignored when received.
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["i32", "i16", "u32", "text", "pad"]

_STRUCT_CODES: Final = {"i32": "i", "i16": "h", "u32": "I"}
C_TYPES: Final = {"i32": "int32_t", "i16": "int16_t", "u32": "uint32_t", "text": "char", "pad": "uint8_t"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `offset` and `size` in bytes from the start of its record."""

    name: str
    offset: int
    size: int
    kind: Kind
    meaning: str


HEADER: Final = (Field("count", 0, 4, "i32", "number of nodes"),)

NODE: Final = (
    Field("id", 0, 4, "i32", "unique in the list"),
    Field("next_id", 4, 4, "i32", "id of the next node, -1 for the last"),
    Field("rating", 8, 2, "i16", ""),
    Field("padding_rating", 10, 2, "pad", "zero when sent, ignored when received"),
    Field("price", 12, 4, "u32", ""),
    Field("title", 16, 255, "text", "UTF-8, NUL-terminated within the field and NUL-filled"),
    Field("padding_title", 271, 1, "pad", "zero when sent, ignored when received"),
    Field("content_length", 272, 4, "u32", "bytes of content that follow the record"),
)

LAST_ID: Final = -1
"""The `next_id` of the last node."""


def _struct_of(fields: tuple[Field, ...]) -> struct.Struct:
    codes = "<"
    end = 0
    for field in fields:
        assert field.offset == end, f"{field.name} starts at {field.offset}, the field before it ends at {end}"
        end += field.size
        if field.kind == "text":
            codes += f"{field.size}s"
        elif field.kind == "pad":
            codes += f"{field.size}x"
        else:
            codes += _STRUCT_CODES[field.kind]
    layout = struct.Struct(codes)
    assert layout.size == end
    return layout


HEADER_STRUCT: Final = _struct_of(HEADER)
NODE_STRUCT: Final = _struct_of(NODE)
"""Packs and unpacks (id, next_id, rating, price, title, content_length)."""

TITLE_BYTES: Final = next(field.size for field in NODE if field.name == "title")


def node_offset(name: str) -> int:
    """Return the offset in bytes of a node's field; raise KeyError if there is no such field."""
    return {field.name: field.offset for field in NODE}[name]
