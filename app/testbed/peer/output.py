"""The output of the programs, as docs/programs.md specifies it; everything on standard output passes here.

Lines are written with write(2) at once, so that no buffer holds output when the program is stopped.
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
    """Yield the lines for a list; `nodes` are the nodes kept: the first to arrive, up to all of them."""
    if len(nodes) == end.count:
        order: Iterable[int] = end.order
    else:
        order = (index for index in end.order if index < len(nodes))
    yield from (node_line(nodes[index]) for index in order)
    if nodes and len(nodes) < end.count:
        yield f"... and {end.count - len(nodes)} more"
    if verbose:
        yield f"List of {end.count} nodes, {end.size_bytes} bytes, sha256 {end.sha256_hex}"


def _encoded(text: str) -> bytes:
    # Arguments that are not UTF-8 (a host, a path) are printed unchanged; titles from the wire are always UTF-8.
    return text.encode(errors="surrogateescape")


class Output:
    """Print groups of lines; groups of different threads do not mix."""

    def __init__(self, fd: int = STDOUT_FD) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def lines(self, lines: Iterable[str]) -> None:
        """Print a group of lines; raise SystemCallError if standard output fails."""
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


def print_error(program: str, message: object) -> None:
    """Print one line on standard error; ignore a failure, which could not be reported."""
    try:
        write_all(STDERR_FD, _encoded(f"{program}: {message}\n"))
    except OSError:
        return
