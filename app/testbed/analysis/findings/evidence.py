"""Raw data that shows a fact: which frames, which samples, which calls."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from testbed.analysis.events import Calls
from testbed.analysis.findings.measured import Int64, Source
from testbed.analysis.join.observation import End
from testbed.analysis.join.samples import Samples

NO_NUMBERS: Final = np.empty(0, np.int64)


def frames(end: End, chosen: NDArray[np.bool_], description: str, display_filter: str = "") -> list[Source]:
    """Return the chosen frames of an end's capture; the display filter may match others, too."""
    connection = end.connection
    if connection is None or end.capture is None or not chosen.any():
        return []
    numbers = connection.frames.number[chosen]
    return [Source(end.capture.file, "frames", description, numbers, connection.stream, display_filter)]


def samples(end: End, of: Samples | None, chosen: NDArray[np.bool_], description: str) -> list[Source]:
    """Return the lines of the chosen samples of an end."""
    return [] if of is None else lines(end, of.line[chosen], description)


def lines(end: End, numbers: Int64, description: str) -> list[Source]:
    """Return lines of an end's `sockets.csv`."""
    return _lines(f"{end.path}sockets.csv", "samples", numbers, description)


def calls(end: End, of: Calls | None, chosen: NDArray[np.bool_], description: str) -> list[Source]:
    """Return the lines of the chosen calls of an end."""
    return [] if of is None else _lines(f"{end.path}events.csv", "events", of.line[chosen], description)


def _lines(file: str, kind: Literal["samples", "events"], numbers: Int64, description: str) -> list[Source]:
    return [Source(file, kind, description, numbers)] if len(numbers) else []


def file(path: str, description: str) -> list[Source]:
    """Return a complete file."""
    return [Source(path, "file", description, NO_NUMBERS)]
