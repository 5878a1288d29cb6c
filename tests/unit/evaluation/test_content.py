import hashlib
from pathlib import Path

import pytest

from testbed.evaluation.content import check_output, expected_client_lines, expected_server_lines, first_difference
from testbed.wire.encoder import list_blocks


def folder_with(path: Path, client: str, server: str) -> Path:
    for role, text in (("client", client), ("server", server)):
        (path / role).mkdir()
        (path / role / "stdout.log").write_text(text)
    return path


REQUESTED = {"nodes": 2, "content": 3, "repeat": 2, "client": "c", "server": "py"}
CLIENT = "Will connect to server : 8888\nSending 562 bytes!\n562 B sent after 0 ms\nData sent\n"
SERVER = "".join(f"{line}\n" for line in expected_server_lines(2, 3, 2))


def test_what_a_server_prints() -> None:
    digest = hashlib.sha256(b"".join(list_blocks(10, 1000))).hexdigest()
    lines = list(expected_server_lines(10, 1000, 1))
    assert lines[0] == 'Node: 0, rating: 0, price: 0, title: "Book by 0", content length: 1000'
    assert lines[9] == 'Node: 9, rating: 18, price: 27, title: "Book by 9", content length: 1000'
    assert lines[10:] == [f"List of 10 nodes, 12764 bytes, sha256 {digest}", "Ending connection"]


def test_ratings_wrap_as_16_bit_integers() -> None:
    lines = list(expected_server_lines(16_385, 0, 1))
    assert lines[16_384].startswith("Node: 16384, rating: -32768, price: 49152,")


def test_what_a_client_prints() -> None:
    assert list(expected_client_lines(10, 1000)) == [
        "Will connect to server : 8888",
        "Sending 12764 bytes!",
        "Data sent",
    ]


def test_good_output_passes(tmp_path: Path) -> None:
    checks = check_output(REQUESTED, folder_with(tmp_path, CLIENT, SERVER))
    assert [(check.name, check.ok) for check in checks] == [("server-output", True), ("client-output", True)]


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (SERVER.replace("rating: 2", "rating: 3", 1), "line 2 is 'Node: 1, rating: 3"),
        (SERVER.replace("Ending connection\n", ""), "line 7 is nothing, not 'Ending connection'"),
        (SERVER + "more\n", "line 8 is 'more', not nothing"),
        (SERVER.replace("\n", "\r\n", 1), "line 1 is 'Node: 0, rating: 0, price: 0"),
        ("", "line 1 is nothing"),
    ],
)
def test_a_difference_is_named(tmp_path: Path, server: str, text: str) -> None:
    check = check_output(REQUESTED, folder_with(tmp_path, CLIENT, server))[0]
    assert not check.ok
    assert text in check.sentence


def test_other_images_may_print_what_they_like(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "hello\n", SERVER)
    assert [check.name for check in check_output(REQUESTED | {"client": "an/image"}, folder)] == ["server-output"]


def test_first_difference() -> None:
    assert first_difference(iter(["a"]), iter(["a"])) == ""
    assert first_difference(iter(["a"]), iter(["b" * 500])).startswith("line 1 is 'bbb")
