"""Draw a chart in text: bytes written and bytes read over time, and the bytes in between."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from testbed.analysis.events import Calls

WIDTH: Final = 64
HEIGHT: Final = 9


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters for bytes that were read, and for bytes that were written but not yet read."""

    read: str
    ahead: str


UNICODE: Final = Glyphs("█", "░")
ASCII: Final = Glyphs("#", ".")


def _column(written: int, read: int, top: int, glyphs: Glyphs) -> str:
    """Return one column from the bottom up; a cell is filled if the curve reaches its middle."""
    cells = []
    for row in range(HEIGHT):
        level = (row + 0.5) * top / HEIGHT
        cells.append(glyphs.read if read >= level else glyphs.ahead if written >= level else " ")
    return "".join(cells)


def draw(written: "Calls", read: "Calls", glyphs: Glyphs) -> list[str]:
    """Return the lines of the chart from the first write to the last call; none if nothing happened in between."""
    start_ns = int(written.start_ns[0]) if len(written) else 0
    end_ns = max((int(calls.end_ns[-1]) for calls in (written, read) if len(calls)), default=start_ns)
    top = max((int(calls.total_bytes[-1]) for calls in (written, read) if len(calls)), default=0)
    if end_ns <= start_ns or top == 0:
        return []
    import numpy as np  # noqa: PLC0415 - a run begins before it needs numpy, and its analysis imports it meanwhile

    at_ns = start_ns + (end_ns - start_ns) * np.arange(1, WIDTH + 1) // WIDTH
    both = zip(written.done_at(at_ns).tolist(), read.done_at(at_ns).tolist(), strict=True)
    columns = [_column(bytes_written, bytes_read, top, glyphs) for bytes_written, bytes_read in both]
    label = format_bytes(top)
    lines = []
    for row in reversed(range(HEIGHT)):
        name = label if row == HEIGHT - 1 else "0 B" if row == 0 else ""
        lines.append(f"{name:>{len(label)}} |" + "".join(column[row] for column in columns).rstrip())
    duration = format_seconds((end_ns - start_ns) / 1e9)
    lines.append(f"{'':>{len(label)}} +{'-' * WIDTH}")
    lines.append(f"{'':>{len(label)}}  0 s{duration:>{WIDTH - 3}}")
    lines.append(f"{'':>{len(label)}}  {glyphs.read} read   {glyphs.ahead} written, not yet read")
    return lines
