"""Run every client with every server over both families: the received bytes equal the sent ones."""

import hashlib
import struct
from collections.abc import Callable

import pytest

from testbed.pytest_plugin import CellShown

pytestmark = pytest.mark.docker

NODES, CONTENT_BYTES = 10, 1000


def stream() -> bytes:
    """Return the list that a client sends, built here from the definition of the format."""
    made = struct.pack("<i", NODES)
    for index in range(NODES):
        following = index + 1 if index + 1 < NODES else -1
        made += struct.pack("<iih2xI", index, following, 2 * index, 3 * index)
        made += f"Book by {index}".encode().ljust(255, b"\0") + b"\0"
        made += struct.pack("<I", CONTENT_BYTES) + b"a" * CONTENT_BYTES
    return made


def server_lines() -> list[str]:
    nodes = [
        f'Node: {i}, rating: {2 * i}, price: {3 * i}, title: "Book by {i}", content length: {CONTENT_BYTES}'
        for i in range(NODES)
    ]
    whole = stream()
    assert len(whole) == 12_764
    digest = hashlib.sha256(whole).hexdigest()
    return [*nodes, f"List of {NODES} nodes, {len(whole)} bytes, sha256 {digest}", "Ending connection"]


@pytest.mark.parametrize("client", ["py", "c"])
@pytest.mark.parametrize("server", ["py", "c"])
def test_received_bytes_equal_sent_bytes(
    testbed_cell: Callable[..., CellShown], client: str, server: str, family: str
) -> None:
    shown = testbed_cell(client=client, server=server, family=family, nodes=NODES, content=CONTENT_BYTES, chunk=1000)
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    assert (shown.folder / "server" / "stdout.log").read_text().splitlines() == server_lines()
    printed = (shown.folder / "client" / "stdout.log").read_text().splitlines()
    assert [line for line in printed if "sent after" not in line] == [
        "Will connect to server : 8888",
        "Sending 12764 bytes!",
        "Data sent",
    ]
    assert shown.result.metrics.bytes_written == shown.result.metrics.bytes_read == 12_764


@pytest.mark.parametrize("client", ["py", "c"])
@pytest.mark.parametrize("server", ["py", "c"])
def test_lists_follow_one_another(testbed_cell: Callable[..., CellShown], client: str, server: str) -> None:
    shown = testbed_cell(client=client, server=server, nodes=3, content=10, repeat=5)
    assert (shown.result.status, shown.result.reason) == ("passed", "")
    assert shown.result.metrics.bytes_read == 5 * (4 + 3 * 286)
