"""Handle Ctrl-C, SIGTERM and SIGHUP: the first ends a run in order, the second at once.

While no run listens, as during the build of an image, the first one raises KeyboardInterrupt. Later ones never do: an
exception could interrupt the clean-up of a cell.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from testbed.cli import INTERRUPTED
from testbed.run.stop import Stop

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_SHOW_CURSOR: Final = "\x1b[?25h"
_CLEAR_LINE: Final = "\r\x1b[K"
"""Removes an echoed `^C`, or the last line of a picture."""

FIRST: Final = "testbed: running cells end in order; a second interruption ends them at once"
SECOND: Final = "testbed: ended at once; the next run, or `testbed clean`, removes what is left"


def _print(line: str) -> None:
    # Not click.echo: this may interrupt a write to the same stream, which is not reentrant.
    terminal = _SHOW_CURSOR + _CLEAR_LINE if os.isatty(sys.stderr.fileno()) else ""
    os.write(sys.stderr.fileno(), f"{terminal}{line}\n".encode())


def _exit_now() -> None:
    os._exit(INTERRUPTED)


@contextmanager
def interrupts(
    stop: Stop, exit_now: Callable[[], None] = _exit_now, announce: Callable[[str], bool] = lambda _line: False
) -> Iterator[None]:
    """Request of `stop` what each interruption means; `exit_now` ends the process at the second.

    `announce` shows the first one in a picture, and returns False if there is none to show it in.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        listening = stop.request()
        if stop.at_once:
            with suppress(OSError):  # a terminal that has hung up
                _print(SECOND)
            exit_now()
        elif listening:
            with suppress(OSError):
                if not announce(FIRST):
                    _print(FIRST)
        else:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
