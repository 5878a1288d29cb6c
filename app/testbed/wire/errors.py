"""The errors of the wire format: LocalError is misuse of the encoder, RemoteError a violation by the peer.

Kinds, offsets and fields are defined in `docs/wire-format.md`; every kind is one class here.
"""

from typing import ClassVar, Final, NamedTuple


class WireError(Exception):
    """The base of all errors of the wire format."""


class LocalError(WireError):
    """The encoder got a value that the format cannot represent."""


class Position(NamedTuple):
    """A position in the stream of a connection: `offset` in bytes from its start, `node_index` None outside nodes."""

    offset: int
    list_index: int
    node_index: int | None
    field: str

    def __str__(self) -> str:
        node = "" if self.node_index is None else f", node {self.node_index}"
        return f"at byte {self.offset}, list {self.list_index}{node}, field {self.field}"


class RemoteError(WireError):
    """A peer violated the format: `kind`, `position` and a sentence."""

    kind: ClassVar[str]

    def __init__(self, position: Position, sentence: str) -> None:
        super().__init__(f"{self.kind} {position}: {sentence}")
        self.position = position
        self.sentence = sentence

    @property
    def offset(self) -> int:
        """The offset in bytes from the start of the connection."""
        return self.position.offset

    @property
    def list_index(self) -> int:
        """The list, counted from 0."""
        return self.position.list_index

    @property
    def node_index(self) -> int | None:
        """The node in order of arrival, counted from 0; None outside of nodes."""
        return self.position.node_index

    @property
    def field(self) -> str:
        """The name of the field."""
        return self.position.field


class CountNegativeError(RemoteError):
    """A list announces a negative number of nodes."""

    kind = "count-negative"


class CountCapError(RemoteError):
    """A list announces more nodes than the receiver accepts."""

    kind = "count-cap"


class TitleUnterminatedError(RemoteError):
    """A title has no NUL within its field."""

    kind = "title-unterminated"


class TitleUtf8Error(RemoteError):
    """A title is not UTF-8."""

    kind = "title-utf8"


class ContentCapError(RemoteError):
    """A node announces more content than the receiver accepts."""

    kind = "content-cap"


class TotalCapError(RemoteError):
    """A list is longer than the receiver accepts."""

    kind = "total-cap"


class DuplicateIdError(RemoteError):
    """Two nodes have the same id."""

    kind = "duplicate-id"


class DanglingNextIdError(RemoteError):
    """A link leads to an id that no node has."""

    kind = "dangling-next-id"


class CycleError(RemoteError):
    """The links from a node lead into a cycle."""

    kind = "cycle"


class UnreachableError(RemoteError):
    """The links form more than one chain."""

    kind = "unreachable"


class TrailingBytesError(RemoteError):
    """Bytes follow the last list."""

    kind = "trailing-bytes"


class EarlyEndError(RemoteError):
    """The stream ends within a list, or before the last one."""

    kind = "early-end"


REMOTE_ERRORS: Final[dict[str, type[RemoteError]]] = {cls.kind: cls for cls in RemoteError.__subclasses__()}
"""Every kind of violation and its class."""
