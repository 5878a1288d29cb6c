import errno
import os
from pathlib import Path

import pytest

from testbed.compressed.compress import compress
from testbed.compressed.expand import expand, stored

DATA = b"frames of a capture " * 10_000


def test_a_file_is_replaced_by_one_that_expands_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(DATA)
    target = compress(path)
    assert target == tmp_path / "capture.pcap.zst" == stored(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["capture.pcap.zst"]
    assert target.stat().st_size < len(DATA) / 10
    expanded = expand(target)
    assert expanded is not None
    assert (bytes(expanded.buffer), expanded.flaw) == (DATA, "")


def test_another_link_to_the_file_keeps_its_contents(tmp_path: Path) -> None:
    path, link = tmp_path / "capture.pcap", tmp_path / "link"
    path.write_bytes(DATA)
    os.link(path, link)
    compress(path)
    assert link.read_bytes() == DATA


def test_without_space_the_file_stays_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(DATA)

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        compress(path)
    assert [each.name for each in tmp_path.iterdir()] == ["capture.pcap"]
    assert path.read_bytes() == DATA
