"""What the programs must print when everything that was requested arrived, and whether they did."""

import hashlib
import re
from collections.abc import Iterator
from itertools import repeat, zip_longest
from pathlib import Path
from typing import Any, Final

from testbed.peer.contract import PORT
from testbed.result import Check
from testbed.wire.encoder import list_blocks, list_bytes

OURS: Final = ("py", "c")
"""Programs whose printed lines are part of the contract; the lines of other images are not checked."""

_CHUNK_LINE: Final = re.compile(r"\d+ B sent after \d+ ms")
_SHOWN: Final = 120


def expected_server_lines(nodes: int, content_bytes: int, lists: int) -> Iterator[str]:
    """Yield what a server prints of the lists that our clients send, with the digest of each list."""
    digest = hashlib.sha256()
    for block in list_blocks(nodes, content_bytes):
        digest.update(block)
    size_bytes = list_bytes(nodes, content_bytes)
    for _ in repeat(None, lists):
        for index in range(nodes):
            rating = (2 * index + 0x8000 & 0xFFFF) - 0x8000
            price = 3 * index & 0xFFFFFFFF
            yield (
                f'Node: {index}, rating: {rating}, price: {price}, title: "Book by {index}", '
                f"content length: {content_bytes}"
            )
        yield f"List of {nodes} nodes, {size_bytes} bytes, sha256 {digest.hexdigest()}"
    yield "Ending connection"


def expected_client_lines(nodes: int, content_bytes: int) -> Iterator[str]:
    """Yield what a client prints, without the lines about single chunks."""
    yield f"Will connect to server : {PORT}"
    yield f"Sending {list_bytes(nodes, content_bytes)} bytes!"
    yield "Data sent"


def _printed(path: Path) -> Iterator[str]:
    # Only \n ends a line here; universal newlines would accept a stray \r.
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n")


def first_difference(expected: Iterator[str], printed: Iterator[str]) -> str:
    """Return a sentence about the first line that differs; empty when all are equal."""
    for number, (wanted, found) in enumerate(zip_longest(expected, printed), 1):
        if wanted != found:
            shown = "nothing" if found is None else repr(found[:_SHOWN])
            wish = "nothing" if wanted is None else repr(wanted[:_SHOWN])
            return f"line {number} is {shown}, not {wish}"
    return ""


def check_output(requested: dict[str, Any], folder: Path) -> list[Check]:
    """Compare what our programs printed with what they must print; the output of other images is not checked.

    The server's lines depend on every field of every node and on the digest of all bytes. A server that prints them
    has received exactly what the client had to send, whichever program the client is.
    """
    nodes, content_bytes, lists = requested["nodes"], requested["content"], requested["repeat"]
    checks = []
    if requested["server"] in OURS:
        flaw = first_difference(
            expected_server_lines(nodes, content_bytes, lists), _printed(folder / "server" / "stdout.log")
        )
        good = f"the server printed all {nodes} nodes and the digest as requested"
        checks.append(
            Check(name="server-output", ok=not flaw, sentence=f"the server's output: {flaw}" if flaw else good)
        )
    if requested["client"] in OURS:
        printed = (line for line in _printed(folder / "client" / "stdout.log") if not _CHUNK_LINE.fullmatch(line))
        flaw = first_difference(expected_client_lines(nodes, content_bytes), printed)
        good = "the client printed that it sent everything"
        checks.append(
            Check(name="client-output", ok=not flaw, sentence=f"the client's output: {flaw}" if flaw else good)
        )
    return checks
