"""Draw the bytes written and bytes read over time of one cell: the picture in the README.

    .venv/bin/testbed run --delay 1s --chunk 10k
    .venv/bin/python tools/picture.py runs/latest docs/img/run.svg

It reads the event logs of both endpoints, whose clock is the same (CLOCK_MONOTONIC of one host).
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WIDTH: Final = 860
HEIGHT: Final = 360
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 48, 44
WRITTEN: Final = "#2563eb"
READ: Final = "#d97706"
INK: Final = "#57606a"
TICK_STEPS: Final = (1, 2, 5)

Point = tuple[float, float]
"""Seconds since the connection began, and bytes so far."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold the bytes of one end over time."""

    points: Sequence[Point]

    @property
    def end(self) -> Point:
        """Return the last point."""
        return self.points[-1]


def curve(log: str, op: str, origin_ns: int) -> Curve:
    """Return the total bytes of the calls `op` in an event log at the return of each call."""
    rows = csv.DictReader(line for line in log.splitlines() if not line.startswith("#"))
    points = [((int(r["end_ns"]) - origin_ns) / 1e9, float(r["total_bytes"])) for r in rows if r["op"] == op]
    return Curve([(0.0, 0.0), *points])


def origin_ns(log: str) -> int:
    """Return the time of the connection: the first event of the client's log."""
    lines = [line for line in log.splitlines() if line and not line.startswith(("#", "op,"))]
    return int(lines[0].split(",")[1])


def step(span: float, most: int) -> float:
    """Return the smallest step (1, 2 or 5 times a power of ten) that divides the span into `most` parts or fewer."""
    scale = 1.0
    while span / (scale * TICK_STEPS[-1]) > most:
        scale *= 10
    return next(scale * factor for factor in TICK_STEPS if span / (scale * factor) <= most)


@dataclass(frozen=True, slots=True)
class Plane:
    """Convert seconds and bytes to coordinates of the picture."""

    seconds: float
    total_bytes: float

    def x(self, seconds: float) -> float:
        """Return the x coordinate of a time."""
        return LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, count: float) -> float:
        """Return the y coordinate of a number of bytes."""
        return HEIGHT - BOTTOM - count / self.total_bytes * (HEIGHT - TOP - BOTTOM)

    def path(self, line: Curve) -> str:
        """Return a staircase: bytes count when a call returns, not between calls."""
        first, *rest = line.points
        moves = [f"M{self.x(first[0]):.1f},{self.y(first[1]):.1f}"]
        moves += [f"H{self.x(t):.1f}V{self.y(n):.1f}" for t, n in rest]
        return "".join([*moves, f"H{self.x(self.seconds):.1f}"])


def _text(x: float, y: float, words: str, colour: str = INK, *, anchor: str = "start", size: int = 13) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}">{words}</text>'


def _grid(plane: Plane) -> list[str]:
    parts = []
    by = step(plane.total_bytes / 1000, 5) * 1000
    for i in range(int(plane.total_bytes / by) + 1):
        y = plane.y(i * by)
        parts.append(f'<path d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity="0.2"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{i * by / 1000:g} kB", anchor="end"))
    by = step(plane.seconds, 8)
    parts += [
        _text(plane.x(i * by), HEIGHT - BOTTOM + 22, f"{i * by:g} s", anchor="middle")
        for i in range(int(plane.seconds / by) + 1)
    ]
    return parts


def draw(title: str, written: Curve, read: Curve) -> str:
    """Return the picture as SVG without external fonts, scripts or files."""
    plane = Plane(max(written.end[0], read.end[0], 1e-3), max(written.end[1], read.end[1], 1.0))
    back = "".join(f"V{plane.y(n):.1f}H{plane.x(t):.1f}" for t, n in reversed(read.points))
    done_x, half = plane.x(written.end[0]), Curve(read.points[: len(read.points) // 2 + 1]).end
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>',
            _text(LEFT, 26, title, size=15),
            *_grid(plane),
            f'<path d="{plane.path(written)}{back}Z" fill="{INK}" fill-opacity="0.12"/>',
            f'<path d="{plane.path(written)}" fill="none" stroke="{WRITTEN}" stroke-width="2"/>',
            f'<path d="{plane.path(read)}" fill="none" stroke="{READ}" stroke-width="2"/>',
            _text(done_x + 10, plane.y(written.end[1]) + 18, f"written: all of it within {_took(written)}", WRITTEN),
            _text(plane.x(half[0]) + 16, plane.y(half[1]) + 24, f"read: the last byte after {_took(read)}", READ),
            _text(plane.x(half[0] / 2), plane.y(written.end[1] * 0.72), "in the two kernels' buffers"),
            "</svg>",
            "",
        ]
    )


def _took(line: Curve) -> str:
    seconds = line.end[0]
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def picture(cell: Path, title: str) -> str:
    """Return the picture of one cell's folder."""
    client, server = ((cell / side / "events.csv").read_text() for side in ("client", "server"))
    start_ns = origin_ns(client)
    written, read = curve(client, "write", start_ns), curve(server, "read", start_ns)
    return draw(title, written, read)


def main() -> int:
    """Draw the first cell of a run folder."""
    parser = argparse.ArgumentParser(prog="picture", description="Draw bytes written and read over time.")
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("svg", type=Path, help="file to write")
    parser.add_argument("title", nargs="?", default="testbed run --delay 1s --chunk 10k")
    arguments = parser.parse_args()
    cells = sorted(path.parent for path in arguments.run.glob("*/cell.json"))
    if not cells:
        parser.error(f"{arguments.run} holds no cell")
    arguments.svg.parent.mkdir(parents=True, exist_ok=True)
    arguments.svg.write_text(picture(cells[0], arguments.title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
