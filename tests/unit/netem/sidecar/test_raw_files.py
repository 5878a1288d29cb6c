import os
from pathlib import Path
from typing import Any

import pytest

from netem.contract.session import FILES, decode_reply, piece_data
from netem.sidecar.raw_files import send_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "endpoint").mkdir()
    return tmp_path


def sent(folder: Path, **options: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files as a reader puts them together, and the last reply."""
    lines: list[str] = []
    send_files(folder, lines.append, **options)
    *pieces, end = [decode_reply(line) or {} for line in lines]
    files: dict[str, bytes] = {}
    for piece in pieces:
        files[piece["name"]] = files.get(piece["name"], b"") + piece_data(piece)
    return files, end


def test_all_files_are_sent_whole_and_in_order(folder: Path) -> None:
    wanted = {name: os.urandom(100_000) for name in FILES}
    for name, data in wanted.items():
        (folder / name).write_bytes(data)
    assert sent(folder) == (wanted, {"session": "files", "left": []})


def test_an_empty_file_is_sent_and_a_missing_one_is_not(folder: Path) -> None:
    (folder / "sockets.csv").touch()
    assert sent(folder, code=0) == ({"sockets.csv": b""}, {"session": "files", "left": [], "code": 0})


def test_what_is_not_in_the_contract_is_not_sent(folder: Path) -> None:
    (folder / "endpoint" / "other").write_text("x")
    assert sent(folder)[0] == {}


def test_a_file_beyond_the_limit_is_left_and_a_later_smaller_one_is_sent(folder: Path) -> None:
    (folder / "capture.pcap").write_bytes(bytes(100))
    (folder / "sockets.csv").write_bytes(bytes(60))
    (folder / "resources.csv").write_bytes(bytes(60))
    files, end = sent(folder, max_bytes=100)
    assert (list(files), end["left"]) == (["capture.pcap"], ["sockets.csv", "resources.csv"])
    files, end = sent(folder, max_bytes=99)
    assert (list(files), end["left"]) == (["sockets.csv"], ["capture.pcap", "resources.csv"])


def test_links_pipes_and_folders_are_left(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("of the sidecar")
    events = folder / "endpoint" / "events.csv"
    events.symlink_to(secret)
    assert sent(folder) == ({}, {"session": "files", "left": ["endpoint/events.csv"]})
    events.unlink()
    os.mkfifo(events)
    assert sent(folder) == ({}, {"session": "files", "left": ["endpoint/events.csv"]})
    events.unlink()
    events.mkdir()
    assert sent(folder) == ({}, {"session": "files", "left": ["endpoint/events.csv"]})
