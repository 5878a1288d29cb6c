"""Break sentences into lines without tearing a number from its unit."""

import re
import textwrap
from typing import Final

WIDTH: Final = 100
"""Columns of a text that goes to no terminal, and the most where it does: longer lines are hard to read."""
NARROWEST: Final = 40

_INNER: Final = re.compile(r"(?<=\d) (?=\d{3}\b|(?:[kMG]?B(?:/s)?|µs|ms|s|%)(?![\w]))")


def wrapped(text: str, indent: int = 0, first: str | None = None, width: int = WIDTH) -> list[str]:
    """Return a text in lines that are good to read; `first` begins the first line in place of the indent."""
    space = " " * indent
    lines = textwrap.wrap(
        _INNER.sub("\u00a0", text),
        max(width, NARROWEST),
        initial_indent=space if first is None else first,
        subsequent_indent=space,
        break_on_hyphens=False,
    )
    return [line.replace("\u00a0", " ") for line in lines]
