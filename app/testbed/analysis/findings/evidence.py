"""Where a finding can be seen: which frames, which samples, which calls."""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.join.calls import Calls
from testbed.analysis.join.observation import End
from testbed.analysis.join.samples import Samples
from testbed.analysis.packets.model import Connection
from testbed.result import Evidence

MAX_RANGES: Final = 24
"""A display filter with more ranges than these is too long to read; then it names the first and the last frame."""


def frames(end: End, chosen: NDArray[np.bool_], says: str, rule: str = "") -> list[Evidence]:
    """Return the chosen frames of an end's capture; `rule` is a display filter that has them and maybe others."""
    connection = end.connection
    if connection is None or end.capture is None or not chosen.any():
        return []
    numbers = connection.frames.number[chosen]
    return [
        Evidence(
            file=end.capture.file,
            kind="frames",
            says=says,
            first=int(numbers[0]),
            last=int(numbers[-1]),
            count=len(numbers),
            filter=display_filter(numbers, connection, rule),
        )
    ]


def display_filter(numbers: NDArray[np.int64], connection: Connection, rule: str = "") -> str:
    """Return a filter in Wireshark's language for these frames: by their numbers where they are in few ranges."""
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    if len(breaks) < MAX_RANGES:
        lows, highs = numbers[np.append(0, breaks + 1)].tolist(), numbers[np.append(breaks, -1)].tolist()
        parts = [str(low) if low == high else f"{low}..{high}" for low, high in zip(lows, highs, strict=True)]
        return f"frame.number in {{{', '.join(parts)}}}"
    first, last = int(numbers[0]), int(numbers[-1])
    span = f"tcp.stream == {connection.stream} && frame.number >= {first} && frame.number <= {last}"
    return f"{span} && {rule}" if rule else span


def samples(end: End, of: Samples | None, chosen: NDArray[np.bool_], says: str) -> list[Evidence]:
    """Return the lines of the chosen samples of an end."""
    return [] if of is None else lines(end, of.line[chosen], says)


def lines(end: End, numbers: NDArray[np.int64], says: str) -> list[Evidence]:
    """Return lines of an end's `sockets.csv`."""
    return _lines(f"{end.path}sockets.csv", "samples", numbers, says)


def calls(end: End, of: Calls | None, chosen: NDArray[np.bool_], says: str) -> list[Evidence]:
    """Return the lines of the chosen calls of an end."""
    return [] if of is None else _lines(f"{end.path}events.csv", "events", of.line[chosen], says)


def _lines(file: str, kind: str, numbers: NDArray[np.int64], says: str) -> list[Evidence]:
    if not len(numbers):
        return []
    low, high = int(numbers[0]), int(numbers[-1])
    return [
        Evidence.model_validate(
            {"file": file, "kind": kind, "says": says, "first": low, "last": high, "count": len(numbers)}
        )
    ]


def file(path: str, says: str) -> list[Evidence]:
    """Return a file as a whole."""
    return [Evidence(file=path, kind="file", says=says)]


def chosen_frames(evidence: Evidence, number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which of the frames with these numbers the evidence names: exactly, or from its first to its last."""
    found = np.zeros(len(number), np.bool_)
    match = re.fullmatch(r"frame\.number in \{(.*)\}", evidence.filter)
    if match is None:
        return (number >= (evidence.first or 0)) & (number <= (evidence.last or 0))
    for part in match[1].split(", "):
        low, _, high = part.partition("..")
        found |= (number >= int(low)) & (number <= int(high or low))
    return found
