"""Draw an exchange as a ladder: one line a frame, the client on the left, the server on the right."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.packets.flags import ACK, FIN, PSH, RST, SYN, Mark
from testbed.analysis.packets.model import NONE, Connection, Frames
from testbed.units import pluralize

INNER: Final = 58
"""Characters between the two rails."""

_LETTERS: Final = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"))
_IMPLIED: Final = {Mark.WINDOW_PROBE: Mark.KEEP_ALIVE}
"""Marks that imply another mark, which is then not shown."""
_NAMES: Final = {Mark.DUPLICATE_SACK: "D-SACK"}
"""Marks whose name is not their identifier's."""


def flag_letters(tcp_flags: int) -> str:
    """Return the flags as tcpdump's letters, with A for ACK."""
    return "".join(letter for bit, letter in _LETTERS if tcp_flags & bit)


def mark_names(marks: int) -> list[str]:
    """Return the names of a frame's marks."""
    for mark, implied in _IMPLIED.items():
        if marks & mark:
            marks &= ~implied
    return [_NAMES.get(mark) or str(mark.name).lower().replace("_", " ") for mark in Mark if marks & mark]


def _describe(frames: Frames, at: int) -> str:
    seq, length = int(frames.relative_seq_bytes[at]), int(frames.payload_bytes[at])
    parts = [flag_letters(int(frames.tcp_flags[at]))]
    parts.append(f"{seq}:{seq + length} ({length})" if length else f"{seq}")
    if frames.tcp_flags[at] & ACK:
        parts.append(f"ack {int(frames.relative_ack_bytes[at])}")
    window = int(frames.window_bytes[at])
    parts.append(f"win {window}" if window != NONE else f"win {int(frames.window_raw[at])} unscaled")
    return "  ".join(parts)


def _rung(text: str, *, from_client: bool) -> str:
    if from_client:
        return f"|-- {text} ".ljust(INNER - 2, "-") + "->|"
    return "|<-" + f" {text} --|".rjust(INNER - 2, "-")


def ladder(connection: Connection, chosen: NDArray[np.bool_] | None = None, limit: int | None = None) -> Iterator[str]:
    """Yield the lines of the chosen frames, with times relative to the connection's first frame.

    Frames that are left out are shown as dots.
    """
    frames = connection.frames
    at = np.arange(len(frames)) if chosen is None else np.flatnonzero(chosen)
    shown = at if limit is None else at[:limit]
    client, server = str(connection.client.endpoint), str(connection.server.endpoint)
    yield f"{'frame':>7} {'ms':>12}  {client}{server:>{max(INNER + 1 - len(client), len(server) + 2)}}"
    last = None
    for position in shown.tolist():
        if last is not None and position != last + 1:
            yield f"{'...':>7}"
        last = position
        yield _line(frames, position)
    if len(shown) < len(at):
        yield f"{'...':>7} {pluralize(len(at) - len(shown), 'more frame')}"


def _line(frames: Frames, at: int) -> str:
    elapsed_ms = float(frames.time_ns[at] - frames.time_ns[0]) / 1e6
    rung = _rung(_describe(frames, at), from_client=bool(frames.from_client[at]))
    marks = ", ".join(mark_names(int(frames.marks[at])))
    return f"{int(frames.number[at]):>7} {elapsed_ms:>12.3f}  {rung}  {marks}".rstrip()


def frame_document(connection: Connection, at: int) -> dict[str, Any]:
    """Return one frame as a JSON document; a number that does not apply is null."""
    frames = connection.frames
    in_flight = int(frames.in_flight_bytes[at])
    window = int(frames.window_bytes[at])
    return {
        "frame": int(frames.number[at]),
        "time_ns": int(frames.time_ns[at]),
        "from": "client" if frames.from_client[at] else "server",
        "flags": flag_letters(int(frames.tcp_flags[at])),
        "seq_bytes": int(frames.relative_seq_bytes[at]),
        "ack_bytes": int(frames.relative_ack_bytes[at]) if frames.tcp_flags[at] & ACK else None,
        "payload_bytes": int(frames.payload_bytes[at]),
        "window_bytes": None if window == NONE else window,
        "in_flight_bytes": in_flight if in_flight > 0 else None,
        "marks": mark_names(int(frames.marks[at])),
    }
