"""Bytes to nodes: incremental, without I/O, in constant memory plus 12 bytes per node of the current list.

`feed` accepts the bytes of a receive call and yields a Node when its last byte arrives, and a ListEnd once the list is
complete and its links are valid. A violation is raised after everything before it was yielded, so that the result does
not depend on how the stream was split.

The decoder waits for a number of bytes, `_missing`, of a header, a record or a content. It unpacks records in place
from the caller's buffer, and assembles only a split one in `_partial`. The digest runs over the caller's buffers, not
over nodes: one update per feed and list.
"""

import hashlib
from array import array
from collections.abc import Iterator
from enum import Enum
from typing import Final

from testbed.wire.chain import LinkFault, chain_order
from testbed.wire.errors import (
    ContentCapError,
    CountCapError,
    CountNegativeError,
    DuplicateIdError,
    EarlyEndError,
    Position,
    RemoteError,
    TitleUnterminatedError,
    TitleUtf8Error,
    TotalCapError,
    TrailingBytesError,
    UnreachableError,
)
from testbed.wire.layout import HEADER, HEADER_STRUCT, NODE, NODE_STRUCT, TITLE_BYTES, node_offset
from testbed.wire.records import Caps, ListEnd, Node

_TITLE: Final = node_offset("title")
_CONTENT_LENGTH: Final = node_offset("content_length")
_RECORD_BYTES: Final = NODE_STRUCT.size


class _Wait(Enum):
    HEADER = 0
    RECORD = 1
    CONTENT = 2
    END = 3


class Decoder:
    """Decode the stream of one connection.

    `lists` is the number of lists expected, 0 = any number until the end of the stream. With `keep` each Node has its
    content; otherwise contents are only digested.
    """

    def __init__(self, *, caps: Caps | None = None, lists: int = 1, keep: bool = False) -> None:
        self._caps = caps or Caps()
        self._lists = lists
        self._keep = keep
        self._base = 0
        self._list_index = 0
        self._partial = bytearray()
        self._content = bytearray()
        self._node: Node | None = None
        self._begin_list(0)

    def _begin_list(self, offset: int) -> None:
        self._list_start = offset
        self._count = 0
        self._ids = array("i")
        self._next_ids = array("i")
        self._lengths = array("I")
        self._hash = hashlib.sha256()
        self._wait = _Wait.END if self._lists and self._list_index == self._lists else _Wait.HEADER
        self._missing = HEADER_STRUCT.size

    @property
    def position(self) -> Position:
        """The position of the next byte expected: between two `feed` calls, or within one after a ListEnd."""
        if self._wait is _Wait.END:
            return Position(self._list_start, self._list_index, None, "end")
        if self._wait is _Wait.HEADER:
            offset = self._list_start + HEADER_STRUCT.size - self._missing
            return Position(offset, self._list_index, None, HEADER[0].name)
        if self._wait is _Wait.CONTENT:
            return Position(self._base, self._list_index, len(self._ids) - 1, "content")
        at = _RECORD_BYTES - self._missing
        name = next(field.name for field in NODE if at < field.offset + field.size)
        return Position(self._base, self._list_index, len(self._ids), name)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Node | ListEnd]:
        """Decode the next bytes of the stream and yield what they complete; raise RemoteError on a violation.

        The caller must exhaust the result before the next call; it may reuse the buffer afterwards.
        """
        view = memoryview(data)
        base, end = self._base, len(view)
        pos = hashed = 0
        while pos < end:
            used = min(self._missing, end - pos)
            start, pos = pos, pos + used
            if self._wait is _Wait.CONTENT:
                if self._keep:
                    self._content += view[start:pos]
                self._missing -= used
                if self._missing:
                    break
            elif self._wait is _Wait.END:
                raise TrailingBytesError(self._at(base + start, None, "end"), "nothing may follow the last list")
            elif self._partial or used < self._missing:
                self._partial += view[start:pos]
                self._missing -= used
                if self._missing:
                    break
                self._begin(self._partial, 0, base + pos)
                self._partial.clear()
            else:
                self._begin(view, start, base + pos)
            if self._wait is _Wait.CONTENT and not self._missing:
                yield self._end_node()
            if self._wait is _Wait.RECORD and len(self._ids) == self._count:
                self._hash.update(view[hashed:pos])
                hashed = pos
                yield self._end_list(base + pos)
        self._hash.update(view[hashed:])
        self._base = base + end

    def finish(self) -> None:
        """End the stream; raise EarlyEndError if it must not end here."""
        at_boundary = self._wait is _Wait.HEADER and self._missing == HEADER_STRUCT.size
        if self._wait is _Wait.END or (self._lists == 0 and at_boundary):
            return
        position = self.position
        raise EarlyEndError(position, f"the stream ended here, {self._missing} bytes of this part are missing")

    def _at(self, offset: int, node_index: int | None, field: str) -> Position:
        return Position(offset, self._list_index, node_index, field)

    def _begin(self, buffer: bytearray | memoryview, start: int, offset: int) -> None:
        """Unpack the header or record at `start`; `offset` is that of the byte after it."""
        if self._wait is _Wait.HEADER:
            self._begin_nodes(HEADER_STRUCT.unpack_from(buffer, start)[0], offset - HEADER_STRUCT.size)
        else:
            self._begin_node(NODE_STRUCT.unpack_from(buffer, start), offset)

    def _begin_nodes(self, count: int, offset: int) -> None:
        if count < 0:
            raise CountNegativeError(self._at(offset, None, "count"), f"{count}")
        if count > self._caps.max_nodes:
            raise CountCapError(
                self._at(offset, None, "count"), f"{count} nodes are over the cap of {self._caps.max_nodes}"
            )
        self._count = count
        self._wait = _Wait.RECORD
        self._missing = _RECORD_BYTES

    def _begin_node(self, values: tuple[int, int, int, int, bytes, int], offset: int) -> None:
        node_id, next_id, rating, price, title, length = values
        nul = title.find(0)
        if nul < 0:
            raise TitleUnterminatedError(self._in_record(offset, _TITLE), f"no NUL within {TITLE_BYTES} bytes")
        try:
            text = title[:nul].decode()
        except UnicodeDecodeError as error:
            raise TitleUtf8Error(
                self._in_record(offset, _TITLE), f"byte {error.start} of the title is not UTF-8"
            ) from None
        caps = self._caps
        if length > caps.max_content_bytes:
            raise ContentCapError(
                self._in_record(offset, _CONTENT_LENGTH), f"{length} is over the cap of {caps.max_content_bytes}"
            )
        total = offset - self._list_start + length
        if total > caps.max_total_bytes:
            raise TotalCapError(
                self._in_record(offset, _CONTENT_LENGTH),
                f"a list of {total} bytes is over the cap of {caps.max_total_bytes}",
            )
        self._ids.append(node_id)
        self._next_ids.append(next_id)
        self._lengths.append(length)
        self._node = Node(node_id, next_id, rating, price, text, length)
        self._wait = _Wait.CONTENT
        self._missing = length

    def _in_record(self, record_end: int, field_offset: int) -> Position:
        name = next(field.name for field in NODE if field.offset == field_offset)
        return self._at(record_end - _RECORD_BYTES + field_offset, len(self._ids), name)

    def _end_node(self) -> Node:
        node = self._node
        assert node is not None
        if self._keep:
            node = node._replace(content=bytes(self._content))
            self._content.clear()
        self._wait = _Wait.RECORD
        self._missing = _RECORD_BYTES
        return node

    def _end_list(self, offset: int) -> ListEnd:
        try:
            order = chain_order(self._ids, self._next_ids)
        except LinkFault as fault:
            raise self._link_error(fault) from None
        ended = ListEnd(self._count, offset - self._list_start, self._hash.hexdigest(), order)
        self._list_index += 1
        self._begin_list(offset)
        return ended

    def _link_error(self, fault: LinkFault) -> RemoteError:
        field = "id" if fault.error in (DuplicateIdError, UnreachableError) else "next_id"
        record = self._list_start + HEADER_STRUCT.size + fault.index * _RECORD_BYTES + sum(self._lengths[: fault.index])
        return fault.error(self._at(record + node_offset(field), fault.index, field), fault.sentence)
