"""Handle Ctrl-C and SIGTERM: the first raises KeyboardInterrupt, later ones print that the clean-up is in progress.

There is one exception at most, so a second signal cannot interrupt the clean-up of a cell and then that of its run.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on the first interruption only."""
    raised = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal raised
        if raised:
            click.echo("testbed: still cleaning up", err=True)
            return
        raised = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
