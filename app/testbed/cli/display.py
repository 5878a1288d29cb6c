"""Show the progress of a run on standard error: a live picture if that is a terminal, else now and then a line."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from testbed.cli.board import PHASES, Board
from testbed.result import Result
from testbed.run.executor import Attempt
from testbed.run.runner import ending_of
from testbed.units import format_bytes
from testbed.wire.text import visible

if TYPE_CHECKING:
    from rich.live import Live

REFRESH_PER_S: Final = 8

HEARTBEAT_S: Final = 30.0
"""Without a terminal, a line appears after this time in which nothing else did: a log that stands still looks hung."""

LOOK_S: Final = 1.0

ECHO_COLUMNS: Final = 3
"""A line of the picture leaves room for the `^C` that a terminal echoes: it would scroll the picture otherwise."""


class Display:
    """The observer of a run: notes always, phases with -v, the cells that run while `live` is open. Thread-safe."""

    def __init__(
        self,
        *,
        quiet: bool,
        verbose: int,
        on_end: Callable[[Attempt, Result], None],
        again: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`again`: the run repeats attempts that are not reliable."""
        self._quiet = quiet
        self._again = again
        self._clock = clock
        self._printed_s = clock()
        self._announcement = ""
        self._picture: list[str] = []
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

    def repeat(self, folders: Iterable[str]) -> None:
        """Count cells that an earlier process has run, and that this one repeats."""
        self._board.to_repeat.update(folders)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the picture if standard error is a terminal, else a line now and then."""
        if self._quiet:
            yield
        elif sys.stderr.isatty():
            with self._on_a_terminal():
                yield
        else:
            with self._in_a_log():
                yield

    @contextmanager
    def _on_a_terminal(self) -> Iterator[None]:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        console = Console(stderr=True)

        def picture() -> Text:
            # The caller has a lock of the live picture; whoever has ours may wait for that one.
            if self._lock.acquire(blocking=False):
                try:
                    self._picture = self._lines(console.height, console.width - ECHO_COLUMNS)
                finally:
                    self._lock.release()
            return Text("\n".join(self._picture), no_wrap=True, overflow="ellipsis")

        # What the testbed prints goes through `_print` and `show`, and to standard output if that is no terminal.
        with Live(
            console=console,
            refresh_per_second=REFRESH_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=picture,
        ) as self._live:
            try:
                yield
            finally:
                self._phase = ""
                self._print_announcement()
                self._live.refresh()
        self._live = None

    @contextmanager
    def _in_a_log(self) -> Iterator[None]:
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(LOOK_S):
                self.beat()

        thread = threading.Thread(target=look, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def beat(self) -> None:
        """Print a line on what runs if nothing was printed for a while."""
        with self._lock:
            if self._clock() - self._printed_s < HEARTBEAT_S:
                return
            if text := self._board.sentence(self._clock()) if self._count > 1 else self._line():
                self._print(f"testbed: {text}")

    def _lines(self, height: int, width: int) -> list[str]:
        board = self._board.lines(self._clock(), height - 2, width) if self._count > 1 else []
        shown = board or [self._line()[:width]]
        return [visible(line) for line in ([self._announcement] if self._announcement else []) + shown]

    def _line(self) -> str:
        if not self._phase:
            return ""
        elapsed = self._clock() - self._phase_start_s
        text = f"{self._cell}{PHASES.get(self._phase, self._phase)}  {elapsed:6.1f} s"
        if self._phase == "transfer":
            written, read = self._bytes
            between = format_bytes(max(0, written - read))
            text += f"  written {format_bytes(written)}  read {format_bytes(read)}  unread {between}"
        return text

    def _print(self, text: str) -> None:
        self._printed_s = self._clock()
        if self._live is not None:
            self._print_announcement()
            self._live.console.print(visible(text), highlight=False, markup=False, soft_wrap=True)
        else:
            click.echo(visible(text), err=True)

    def _print_announcement(self) -> None:
        text, self._announcement = self._announcement, ""
        if text and self._live is not None:
            self._live.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def announce(self, text: str) -> bool:
        """Show in the picture that the run ends; return False without one. No lock: handlers of signals call it."""
        if self._live is None:
            return False
        self._announcement, self._board.is_ending = text, True
        return True

    def show(self, lines: Iterable[str]) -> None:
        """Print lines to standard output, above the picture where both are on a terminal."""
        with self._lock:
            text = "\n".join(lines)
            if self._live is not None and sys.stdout.isatty():
                self._print(text)
            else:
                self._printed_s = self._clock()
                click.echo(text)

    def build_progress(self, line: str) -> None:
        """Show a line of an image build: the steps, or with -v everything."""
        if self._verbose or line.startswith("build ") or ": Step " in line:
            self._print(line)
        else:
            self._enter(line[:100])

    def guest_progress(self, line: str) -> None:
        """Show the progress of a guest VM's build and boot, which can take minutes."""
        if not self._quiet:
            self._print(f"testbed: {line}")
            self._enter(line)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._phase_start_s = self._clock()

    def phase(self, attempt: Attempt, name: str) -> None:
        """Enter a phase of the cell."""
        with self._lock:
            self._cell = f"{attempt.name}: " if self._count > 1 else ""
            self._enter(name)
            self._board.phase(attempt.name, name, self._clock())
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
            self._board.begin(attempt.name, number, count, self._clock(), again=attempt.number > 1)
            self._bytes = (0, 0)
            self._count = count

    def end(self, attempt: Attempt, result: Result) -> None:
        """End a cell."""
        with self._lock:
            self._phase = ""
            self._board.end(
                attempt.name,
                self._clock(),
                passed=result.status == "passed",
                cell=attempt.planned.folder,
                to_repeat=self._again and attempt.number == 1 and not ending_of(result).reliable,
            )
            self._on_end(attempt, result)

    def note(self, sentence: str) -> None:
        """Print a note to the user."""
        self._print(f"testbed: {sentence}")
