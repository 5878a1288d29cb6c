"""The part of a page that a command writes: it stands between two marks, the rest is written by hand."""

from typing import Final

END: Final = "<!-- end -->"


def begin_of(module: str) -> str:
    """Return the mark before the part that a module writes."""
    return f"<!-- written by python -m {module} -->"


def put(document: str, begin: str, part: str) -> str:
    """Return the document with its generated part replaced; raise ValueError without the marks."""
    head, mark, rest = document.partition(begin)
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the page has no part between {begin} and {END}")
    return f"{head}{begin}\n\n{part}\n\n{END}{tail}"
