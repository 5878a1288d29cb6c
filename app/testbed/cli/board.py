"""The picture of several cells in progress: one line for the whole, one for each running cell. No I/O, no clock."""

from dataclasses import dataclass
from typing import Final

from testbed.units import format_size

PHASES: Final = {
    "link": "creating network and link",
    "verify": "verifying the link",
    "transfer": "transferring",
    "collect": "collecting",
}

ACTIVITY_COLUMNS: Final = 49
"""Of a line, for what its cell does; its name has the rest."""

SHORTEST_NAME: Final = 12


@dataclass(slots=True)
class _Cell:
    phase: str
    since_s: float
    begin_s: float
    written_bytes: int = 0
    read_bytes: int = 0

    def activity(self, now_s: float) -> str:
        text = f"{PHASES.get(self.phase, self.phase or 'waiting')} {now_s - self.since_s:.1f} s"
        if self.phase == "transfer":
            text += f"  written {format_size(self.written_bytes)}  read {format_size(self.read_bytes)}"
        return text


class Board:
    """What is known of the cells; times are seconds of one clock, which the caller reads."""

    def __init__(self) -> None:
        self._cells: dict[str, _Cell] = {}
        self._begin_s: float | None = None
        self._count = 1
        self._not_here = 0
        self._ended: set[str] = set()
        self.to_repeat: set[str] = set()
        """The folders of cells that are to be repeated alone."""
        self._repeated = 0
        self._passed: dict[str, bool] = {}
        self._attempts_s: list[float] = [0.0, 0.0]  # their number, the sum of their durations
        self.is_ending = False
        """No further cell begins, whatever has been planned."""

    def begin(self, name: str, number: int, count: int, now_s: float, *, again: bool = False) -> None:
        """Begin an attempt at a cell: the `number`th of `count`; the first one shows how many have ended before.

        `again`: it repeats one that has ended, maybe in an earlier process.
        """
        if self._begin_s is None:
            self._begin_s, self._not_here = now_s, number if again else number - 1
            self._ended.clear()
        self._count = count
        self._cells[name] = _Cell("", now_s, now_s)

    def phase(self, name: str, phase: str, now_s: float) -> None:
        """Enter a phase of a cell."""
        if name in self._cells:
            self._cells[name].phase, self._cells[name].since_s = phase, now_s

    def progress(self, name: str, written_bytes: int, read_bytes: int) -> None:
        """Update the transfer of a cell."""
        if name in self._cells:
            self._cells[name].written_bytes, self._cells[name].read_bytes = written_bytes, read_bytes

    def end(self, name: str, now_s: float, *, passed: bool, cell: str = "", to_repeat: bool = False) -> None:
        """End an attempt at a cell, which is `name` itself by default: of two attempts the last one counts."""
        cell = cell or name
        if begun := self._cells.pop(name, None):
            self._attempts_s[0] += 1
            self._attempts_s[1] += now_s - begun.begin_s
        self._passed[cell] = passed
        if to_repeat:
            self.to_repeat.add(cell)
        if cell == name:
            self._ended.add(cell)
        else:
            self._repeated += 1
            self.to_repeat.discard(cell)

    def lines(self, now_s: float, height: int, width: int) -> list[str]:
        """Return the picture within this size: of many running cells, those that began last are counted only."""
        if self._begin_s is None or not self._cells:
            return []
        shown = list(self._cells.items())
        room = max(1, height - 1)
        rest = len(shown) - room + 1 if len(shown) > room else 0
        shown = shown[: len(shown) - rest]
        longest = max((len(name) for name, _ in shown), default=0)
        columns = min(longest, max(SHORTEST_NAME, width - 4 - ACTIVITY_COLUMNS))
        lines = [f"  {shortened(name, columns):{columns}}  {cell.activity(now_s)}"[:width] for name, cell in shown]
        return [self._overall(now_s, width), *lines, *([f"  ... and {rest} more"] if rest else [])]

    def sentence(self, now_s: float) -> str:
        """Return the whole, and the cell that has run for longest, as one line of a log; empty before the first."""
        if self._begin_s is None:
            return ""
        text = self._overall(now_s, 1000)
        if not self._cells:
            return text
        name, cell = min(self._cells.items(), key=lambda item: item[1].begin_s)
        return f"{text}; {name}: {cell.activity(now_s)}"

    def _overall(self, now_s: float, width: int) -> str:
        elapsed_s = now_s - (self._begin_s or 0.0)
        done = min(self._count, self._not_here + len(self._ended))
        parts = [f"{done}/{self._count} cells", f"{len(self._cells)} running"]
        if failed := list(self._passed.values()).count(False):
            parts.append(f"{failed} not passed")
        if self._repeated:
            parts.append(f"{self._repeated} repeated")
        if self.to_repeat and not self.is_ending:
            parts.append(f"{len(self.to_repeat)} to repeat")
        times = [f"{_clock(elapsed_s)} elapsed"]
        if self._ended and not self.is_ending:
            left_s = elapsed_s / len(self._ended) * (self._count - done)
            left_s += len(self.to_repeat) * self._attempts_s[1] / max(1.0, self._attempts_s[0])
            times.append(f"about {_clock(left_s)} left")
        shorter = (", ".join(each) for each in ([*parts, *times], [*parts, times[-1]], parts))
        return next((text for text in shorter if len(text) <= width), parts[0][:width])


def shortened(name: str, columns: int) -> str:
    """Return a name within this width: its end stays, which tells cells with equal fields apart."""
    if len(name) <= columns:
        return name
    tail = min(9, columns // 2)
    return f"{name[: columns - tail - 2]}..{name[-tail:]}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
