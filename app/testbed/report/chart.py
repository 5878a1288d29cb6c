"""A small picture in text: bytes written and bytes read over time, and what lies between them."""

from dataclasses import dataclass
from typing import Final

from testbed.analysis.events import Curve
from testbed.units import format_bytes, format_seconds

WIDTH: Final = 64
HEIGHT: Final = 9


@dataclass(frozen=True, slots=True)
class Ink:
    """Characters for bytes that were read, and for bytes written and not yet read."""

    read: str
    ahead: str


UNICODE: Final = Ink("█", "░")
ASCII: Final = Ink("#", ".")


def _column(written: int, read: int, top: int, ink: Ink) -> str:
    """Return one column from the bottom up; a level is drawn where half of its cell is reached."""
    cells = []
    for row in range(HEIGHT):
        level = (row + 0.5) * top / HEIGHT
        cells.append(ink.read if read >= level else ink.ahead if written >= level else " ")
    return "".join(cells)


def draw(written: Curve, read: Curve, start_ns: int, ink: Ink) -> list[str]:
    """Return the lines of the picture from `start_ns` to the last point; none when nothing took any time."""
    ends = [curve.last for curve in (written, read) if curve.last is not None]
    end_ns = max((at_ns for at_ns, _ in ends), default=start_ns)
    top = max((total for _, total in ends), default=0)
    if end_ns <= start_ns or top == 0:
        return []
    columns = []
    for index in range(WIDTH):
        at_ns = start_ns + (end_ns - start_ns) * (index + 1) // WIDTH
        columns.append(_column(written.at(at_ns), read.at(at_ns), top, ink))
    label = format_bytes(top)
    lines = []
    for row in reversed(range(HEIGHT)):
        name = label if row == HEIGHT - 1 else "0 B" if row == 0 else ""
        lines.append(f"{name:>{len(label)}} |" + "".join(column[row] for column in columns).rstrip())
    duration = format_seconds((end_ns - start_ns) / 1e9)
    lines.append(f"{'':>{len(label)}} +{'-' * WIDTH}")
    lines.append(f"{'':>{len(label)}}  0 s{duration:>{WIDTH - 3}}")
    lines.append(f"{'':>{len(label)}}  {ink.read} read   {ink.ahead} written, not yet read")
    return lines
