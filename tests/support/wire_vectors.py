"""Read the vectors of the wire format: tests/vectors/README.md specifies them."""

from dataclasses import dataclass, field
from pathlib import Path

from testbed.wire import Caps, Decoder, ListEnd, Node, Position, RemoteError

FOLDER = Path(__file__).resolve().parents[1] / "vectors"


@dataclass
class Vector:
    """One stream and the expected result of a server; `kind` is "ok" or that of the violation at `position`."""

    name: str
    kind: str = ""
    position: Position | None = None
    lists: int = 1
    caps: dict[str, int] = field(default_factory=dict)
    out: list[str] = field(default_factory=list)
    stream: bytes = b""

    def decoder(self, *, keep: bool = False) -> Decoder:
        return Decoder(caps=Caps(**self.caps), lists=self.lists, keep=keep)


@dataclass
class Decoded:
    """The result: lists of (nodes, end), the nodes of the current list, and how it ended."""

    lists: list[tuple[list[Node], ListEnd]]
    rest: list[Node]
    error: RemoteError | None

    @property
    def end(self) -> tuple[str, Position | None]:
        return ("ok", None) if self.error is None else (self.error.kind, self.error.position)


def decode(decoder: Decoder, pieces: list[bytes]) -> Decoded:
    """Feed the pieces, then the end of the stream."""
    result = Decoded([], [], None)
    try:
        for piece in pieces:
            for event in decoder.feed(piece):
                if isinstance(event, ListEnd):
                    result.lists.append((result.rest, event))
                    result.rest = []
                else:
                    result.rest.append(event)
        decoder.finish()
    except RemoteError as error:
        result.error = error
    return result


def _position(words: list[str]) -> Position:
    offset, list_index, node_index, name = words
    return Position(int(offset), int(list_index), None if node_index == "-1" else int(node_index), name)


def parse(name: str, text: str) -> Vector:
    """Return the vector that `text` describes; ValueError names a line that it does not understand."""
    vector = Vector(name)
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        key, colon, value = line.partition(": ")
        if not colon:
            raise ValueError(f"{name}: {line!r}")
        if key == "out":
            vector.out.append(value)
        elif key == "expect":
            vector.kind, *words = value.split()
            vector.position = _position(words) if words else None
        elif key == "lists":
            vector.lists = int(value)
        elif key.startswith("max-"):
            vector.caps[key.replace("-", "_")] = int(value)
        else:
            vector.stream += _bytes(key, value.partition("#")[0])
    return vector


def _bytes(key: str, value: str) -> bytes:
    if key == "hex":
        return bytes.fromhex(value)
    if key == "fill":
        byte, count = value.split()
        return bytes([int(byte, 16)]) * int(count)
    raise ValueError(f"unknown key {key!r}")


def load() -> list[Vector]:
    """Return all vectors, sorted by name."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.txt"))]


VECTORS = load()
