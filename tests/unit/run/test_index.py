import errno
import os
import threading
from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.run.index import RunIndex, finished, read_index, rewrite_index
from testbed.run.index_lines import NAME, line_of
from tests.support.runs import result, summary, write_attempt


def test_a_run_before_version_3_has_no_index(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None


def test_lines_are_there_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    with RunIndex(tmp_path) as index:
        for name in "ab":
            index.append(summary(name))
            found = read_index(tmp_path)
            assert found is not None
            assert list(found.by_folder)[-1] == name


@pytest.mark.parametrize("torn", [b'{"folder":"x', line_of(summary("x"))[:-1], b"\0\0"])
def test_a_torn_line_is_removed_before_another_is_appended(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / NAME).write_bytes(line_of(summary("a")) + torn)
    with RunIndex(tmp_path) as index:
        index.append(summary("b"))
    assert (tmp_path / NAME).read_bytes() == line_of(summary("a")) + line_of(summary("b"))


def test_threads_append_whole_lines(tmp_path: Path) -> None:
    with RunIndex(tmp_path) as index:
        threads = [
            threading.Thread(target=lambda n=n: [index.append(summary(f"{n}-{i}")) for i in range(50)])  # type: ignore[misc]
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = read_index(tmp_path)
    assert found is not None
    assert len(found.by_folder) == 200
    assert found.bad_lines == 0


@pytest.mark.parametrize("fits", [0, 7])
def test_a_full_disk_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int) -> None:
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if not fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:fits])

    with RunIndex(tmp_path) as index:
        index.append(summary("a"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(HostError, match=r"write .*results\.jsonl: ") as caught:
                index.append(summary("b"))
        assert "free some space" in caught.value.hint
        assert (tmp_path / NAME).read_bytes() == line_of(summary("a"))
        index.append(summary("c"))
    assert (tmp_path / NAME).read_bytes() == line_of(summary("a")) + line_of(summary("c"))


def test_lines_reach_the_disk_once_a_second_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    times_s = [0.0, 0.1, 0.9, 1.0, 1.0, 1.5, 2.5, 2.5]  # each append reads the clock, and again after it has synced
    with RunIndex(tmp_path, clock=lambda: times_s.pop(0)) as index:
        for _ in range(5):
            index.append(summary("a"))
        assert len(synced) == 2
    assert len(synced) == 3
    index.close()
    assert len(synced) == 3


def test_finished_is_what_has_a_line_and_a_result(tmp_path: Path) -> None:
    for name in ("both", "line", "result"):
        write_attempt(tmp_path, result(name))
    (tmp_path / "line" / "result.json").unlink()
    rewrite_index(tmp_path, [summary("both"), summary("line"), summary("gone")])
    index = read_index(tmp_path)
    assert index is not None
    assert list(finished(tmp_path, index)) == ["both"]
