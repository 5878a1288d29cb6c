"""The lines of a session: a sidecar that serves one cell after another, and the program that is attached to it.

Standard input has commands, standard output has the events of the cells and, between them, replies of the session
itself. Both are JSON objects, one a line; a reply has the key `session`, which no event has. No I/O here.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from netem.contract.errors import SidecarError

FILES: Final = ("capture.pcap", "sockets.csv", "resources.csv", "link.json", "endpoint/events.csv")
"""The raw files of a cell, by their path below NETEM_OUTPUT."""

MAX_SENT_BYTES: Final = 1 << 20
"""Of one cell's files together; larger ones are left for the program to fetch through the container engine."""

PIECE_BYTES: Final = 48 * 1024
"""Of a file in one line: with base64 and JSON below 64 KiB, which is what a pipe buffers."""

_MARK: Final = '{"session":'


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a cell with these settings."""

    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal, such as SIGTERM, to the cell's process."""

    name: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Remove every trace of the last cell; its endpoints have been removed."""


Command = Begin | Signal | Reset


def encode_command(command: Command) -> bytes:
    """Return the line of a command."""
    match command:
        case Begin(environment):
            document: dict[str, Any] = {"begin": dict(environment)}
        case Signal(name):
            document = {"signal": name}
        case Reset():
            document = {"reset": True}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def decode_command(line: bytes) -> Command:
    """Return the command in a line. Raises SidecarError."""
    try:
        match json.loads(line):
            case {"begin": dict(environment)}:
                return Begin({str(name): str(value) for name, value in environment.items()})
            case {"signal": str(name)}:
                return Signal(name)
            case {"reset": True}:
                return Reset()
    except ValueError:
        pass
    raise SidecarError("read a command", f"unknown: {line[:200].decode(errors='replace')!r}", "see docs/sidecar.md")


def encode_reply(kind: str, /, **facts: object) -> str:
    """Return the line of a reply; docs/sidecar.md has the kinds and their keys."""
    return json.dumps({"session": kind, **facts}, separators=(",", ":")) + "\n"


def decode_reply(line: str) -> dict[str, Any] | None:
    """Return the reply in a line; None for an event of the cell."""
    if not line.startswith(_MARK):
        return None
    document: dict[str, Any] = json.loads(line)
    return document


def encode_piece(name: str, data: bytes) -> str:
    """Return the line of a piece of a file; pieces are in order."""
    return encode_reply("file", name=name, data=base64.b64encode(data).decode("ascii"))


def piece_data(reply: Mapping[str, Any]) -> bytes:
    """Return the bytes of a piece."""
    return base64.b64decode(reply["data"], validate=True)
