"""Show the progress of a run on standard error, with a live line if that is a terminal."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from testbed.cli.board import PHASES, Board
from testbed.result import Result
from testbed.run.executor import Attempt
from testbed.units import format_bytes
from testbed.wire.text import visible

if TYPE_CHECKING:
    from rich.live import Live

REFRESH_PER_S: Final = 8


class Display:
    """The observer of a run: notes always, phases with -v, the cells that run while `live` is open. Thread-safe."""

    def __init__(self, *, quiet: bool, verbose: int, on_end: Callable[[Attempt, Result], None]) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._on_end = on_end
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._phase = ""
        self._cell = ""
        self._count = 1
        self._board = Board()
        self._bytes = (0, 0)
        self._phase_start_s = 0.0

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the live line if standard error is a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        console = Console(stderr=True)

        def picture() -> Text:
            with self._lock:
                text = "\n".join(self._lines(console.height))
            return Text(text, no_wrap=True, overflow="ellipsis")

        with Live(
            console=console, refresh_per_second=REFRESH_PER_S, transient=True, get_renderable=picture
        ) as self._live:
            try:
                yield
            finally:
                self._phase = ""
                self._live.refresh()
        self._live = None

    def _lines(self, height: int) -> list[str]:
        board = self._board.lines(time.monotonic(), height - 1) if self._count > 1 else []
        return [visible(line) for line in board] or [self._line()]

    def _line(self) -> str:
        if not self._phase:
            return ""
        elapsed = time.monotonic() - self._phase_start_s
        text = f"{self._cell}{PHASES.get(self._phase, self._phase)}  {elapsed:6.1f} s"
        if self._phase == "transfer":
            written, read = self._bytes
            between = format_bytes(max(0, written - read))
            text += f"  written {format_bytes(written)}  read {format_bytes(read)}  unread {between}"
        return text

    def _print(self, text: str) -> None:
        text = visible(text)
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        else:
            click.echo(text, err=True)

    def build_progress(self, line: str) -> None:
        """Show a line of an image build: the steps, or with -v everything."""
        if self._verbose or line.startswith("build ") or ": Step " in line:
            self._print(line)
        elif self._live is not None:
            self._enter(line[:100])

    def guest_progress(self, line: str) -> None:
        """Show the progress of a guest VM's build and boot, which can take minutes."""
        if not self._quiet:
            self._print(f"testbed: {line}")
            self._enter(line)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._phase_start_s = time.monotonic()

    def phase(self, attempt: Attempt, name: str) -> None:
        """Enter a phase of the cell."""
        with self._lock:
            self._cell = f"{attempt.name}: " if self._count > 1 else ""
            self._enter(name)
            self._board.phase(attempt.name, name, time.monotonic())
            if self._verbose:
                self._print(f"{self._cell}{PHASES.get(name, name)}")

    def progress(self, attempt: Attempt, bytes_written: int, bytes_read: int) -> None:
        """Update the transfer of a cell."""
        with self._lock:
            self._bytes = (bytes_written, bytes_read)
            self._board.progress(attempt.name, bytes_written, bytes_read)

    def begin(self, attempt: Attempt, number: int, count: int) -> None:
        """Begin a cell."""
        with self._lock:
            self._board.begin(attempt.name, number, count, time.monotonic())
            self._bytes = (0, 0)
            self._count = count

    def end(self, attempt: Attempt, result: Result) -> None:
        """End a cell."""
        with self._lock:
            self._phase = ""
            self._board.end(attempt.name, passed=result.status == "passed", cell=attempt.planned.folder)
            self._on_end(attempt, result)

    def note(self, sentence: str) -> None:
        """Print a note to the user."""
        self._print(f"testbed: {sentence}")
