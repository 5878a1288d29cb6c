"""Ctrl-C and SIGTERM: the first raises KeyboardInterrupt once, later ones are told that the clean-up is under way.

With one exception at most, a clean-up in two layers (the cell's, the run's) cannot be skipped by it twice.
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
    """Let the first interruption raise KeyboardInterrupt, and no other."""
    raised = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal raised
        if raised:
            click.echo("testbed: still removing what the run made", err=True)
            return
        raised = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
