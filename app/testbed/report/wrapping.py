"""Wrap text without separating a number from its unit."""

import re
import textwrap
from typing import Final

WIDTH: Final = 100
"""Columns of text that is not for a terminal, and the maximum for a terminal: longer lines are hard to read."""
MIN_WIDTH: Final = 40

_INNER: Final = re.compile(r"(?<=\d) (?=\d{3}\b|(?:[kMG]?B(?:/s)?|µs|ms|s|%)(?![\w]))")


def wrapped(text: str, indent: int = 0, first: str | None = None, width: int = WIDTH) -> list[str]:
    """Return the text as lines; `first` replaces the indent of the first line."""
    space = " " * indent
    lines = textwrap.wrap(
        _INNER.sub("\u00a0", text),
        max(width, MIN_WIDTH),
        initial_indent=space if first is None else first,
        subsequent_indent=space,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0", " ") for line in lines]
