"""The picture of several cells in progress: one line for the whole, one for each running cell. No I/O, no clock."""

from dataclasses import dataclass
from typing import Final

from testbed.units import format_bytes

PHASES: Final = {
    "link": "creating network and link",
    "verify": "verifying the link",
    "transfer": "transferring",
    "collect": "collecting",
}


@dataclass(slots=True)
class _Cell:
    phase: str
    since_s: float
    written_bytes: int = 0
    read_bytes: int = 0


class Board:
    """What is known of the cells; times are seconds of one clock, which the caller reads."""

    def __init__(self) -> None:
        self._cells: dict[str, _Cell] = {}
        self._begin_s: float | None = None
        self._count = 1
        self._not_here = 0
        self._passed: dict[str, bool] = {}

    def begin(self, name: str, number: int, count: int, now_s: float) -> None:
        """Begin a cell: the `number`th of `count`; the first one tells how many an earlier process has finished."""
        if self._begin_s is None:
            self._begin_s, self._not_here = now_s, number - 1
        self._count = count
        self._cells[name] = _Cell("", now_s)

    def phase(self, name: str, phase: str, now_s: float) -> None:
        """Enter a phase of a cell."""
        if name in self._cells:
            self._cells[name].phase, self._cells[name].since_s = phase, now_s

    def progress(self, name: str, written_bytes: int, read_bytes: int) -> None:
        """Update the transfer of a cell."""
        if name in self._cells:
            self._cells[name].written_bytes, self._cells[name].read_bytes = written_bytes, read_bytes

    def end(self, name: str, *, passed: bool, cell: str = "") -> None:
        """End an attempt at a cell, which is `name` itself by default: of two attempts the last one counts."""
        self._cells.pop(name, None)
        self._passed[cell or name] = passed

    def lines(self, now_s: float, height: int) -> list[str]:
        """Return the picture, at most `height` lines: of many running cells, those that began last are counted only."""
        if self._begin_s is None or not self._cells:
            return []
        shown = list(self._cells.items())
        room = max(1, height - 1)
        rest = len(shown) - room + 1 if len(shown) > room else 0
        lines = [self._overall(now_s), *(_line(name, cell, now_s) for name, cell in shown[: len(shown) - rest])]
        return [*lines, f"  ... and {rest} more"] if rest else lines

    def _overall(self, now_s: float) -> str:
        elapsed_s = now_s - (self._begin_s or 0.0)
        done = min(self._count, self._not_here + len(self._passed))
        text = f"{done}/{self._count} cells, {len(self._cells)} running"
        if failed := list(self._passed.values()).count(False):
            text += f", {failed} not passed"
        text += f", {_clock(elapsed_s)} elapsed"
        if self._passed:
            text += f", about {_clock(elapsed_s / len(self._passed) * (self._count - done))} left"
        return text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _line(name: str, cell: _Cell, now_s: float) -> str:
    text = f"  {name}  {PHASES.get(cell.phase, cell.phase or 'waiting')} {now_s - cell.since_s:.1f} s"
    if cell.phase == "transfer":
        text += f"  written {format_bytes(cell.written_bytes)}  read {format_bytes(cell.read_bytes)}"
    return text
