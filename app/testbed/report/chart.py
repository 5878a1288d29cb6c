"""Draw a chart in text: bytes written and bytes read over time, and the bytes in between."""

from dataclasses import dataclass
from typing import Final

from testbed.analysis.events import Curve
from testbed.units import format_bytes, format_seconds

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


def draw(written: Curve, read: Curve, start_ns: int, glyphs: Glyphs) -> list[str]:
    """Return the lines of the chart from `start_ns` to the last point; none if nothing happened in between."""
    ends = [curve.last for curve in (written, read) if curve.last is not None]
    end_ns = max((at_ns for at_ns, _ in ends), default=start_ns)
    top = max((total for _, total in ends), default=0)
    if end_ns <= start_ns or top == 0:
        return []
    columns = []
    for index in range(WIDTH):
        at_ns = start_ns + (end_ns - start_ns) * (index + 1) // WIDTH
        columns.append(_column(written.at(at_ns), read.at(at_ns), top, glyphs))
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
