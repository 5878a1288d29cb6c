"""What the programs print, word by word as docs/programs.md has it, and the one door to standard output.

Lines go out by write(2) at once, so that nothing is left in a buffer when the program is told to stop.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from testbed.peer.descriptor import write_all
from testbed.peer.errors import SystemCallError
from testbed.wire import ListEnd, Node, escape

STDOUT_FD: Final = 1
STDERR_FD: Final = 2
SOME_NODES: Final = 10
_LINES_PER_WRITE: Final = 1000


def node_line(node: Node) -> str:
    """Return the line for one node."""
    return (
        f"Node: {node.id}, rating: {node.rating}, price: {node.price}, "
        f'title: "{escape(node.title)}", content length: {node.content_length}'
    )


def list_lines(nodes: Sequence[Node], end: ListEnd, *, verbose: bool) -> Iterator[str]:
    """Yield the lines for a list; `nodes` are the first to arrive, all of them or some or none."""
    if len(nodes) == end.count:
        order: Iterable[int] = end.order
    else:
        order = (place for place in end.order if place < len(nodes))
    yield from (node_line(nodes[place]) for place in order)
    if nodes and len(nodes) < end.count:
        yield f"... and {end.count - len(nodes)} more"
    if verbose:
        yield f"List of {end.count} nodes, {end.size_bytes} bytes, sha256 {end.sha256_hex}"


def _encoded(text: str) -> bytes:
    # Arguments that are not UTF-8 (a host, a path) go out as they came in; titles from the wire are always UTF-8.
    return text.encode(errors="surrogateescape")


class Output:
    """Print whole groups of lines, one group at a time whatever the thread."""

    def __init__(self, fd: int = STDOUT_FD) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def lines(self, lines: Iterable[str]) -> None:
        """Print the lines in one piece; raise SystemCallError when standard output is gone."""
        rest = iter(lines)
        with self._lock:
            while block := list(islice(rest, _LINES_PER_WRITE)):
                self._write(_encoded("\n".join(block) + "\n"))

    def line(self, line: str) -> None:
        """Print one line."""
        self.lines([line])

    def _write(self, data: bytes) -> None:
        try:
            write_all(self._fd, data)
        except OSError as error:
            raise SystemCallError("write to standard output", error) from error


def complain(program: str, message: object) -> None:
    """Print one line on standard error, in one piece; there is nobody to tell when that fails."""
    try:
        write_all(STDERR_FD, _encoded(f"{program}: {message}\n"))
    except OSError:
        return
