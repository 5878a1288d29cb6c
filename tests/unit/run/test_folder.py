import errno
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.errors import HostError
from testbed.run.folder import (
    CappedFile,
    create_cell_folder,
    create_run_folder,
    new_run_id,
    point_latest,
    write_files,
    write_json,
)


def test_ids_sort_by_time_and_differ() -> None:
    early = new_run_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert early.startswith("20260102-030405-")
    assert early < new_run_id(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    assert new_run_id() != new_run_id()


def test_a_document_is_complete_or_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": "ä"})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": "ä"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_latest_points_to_the_newest(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / "runs" / name
        create_run_folder(folder)
        point_latest(folder)
        assert (tmp_path / "runs" / "latest").resolve() == folder
    assert sorted(entry.name for entry in (tmp_path / "runs").iterdir()) == ["latest", "one", "two"]


def test_a_cell_has_a_folder_for_each_role(tmp_path: Path) -> None:
    cell = tmp_path / "run" / "cell"
    create_cell_folder(cell)
    assert sorted(entry.name for entry in cell.iterdir()) == ["client", "server"]


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"create the run folder .*: Not a directory") as caught:
        create_run_folder(tmp_path / "file" / "run")
    assert "--output" in caught.value.hint
    create_run_folder(tmp_path / "run")
    with pytest.raises(HostError, match="File exists"):
        create_run_folder(tmp_path / "run")


def test_a_capped_file_counts_what_it_drops(tmp_path: Path) -> None:
    file = CappedFile(tmp_path / "log", 5)
    file.write(b"abc")
    file.write(b"defg")
    file.write(b"h")
    file.close()
    assert (tmp_path / "log").read_bytes() == b"abcde"
    assert file.dropped_bytes == 3


def test_a_partial_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = (tmp_path / "log").open("wb", buffering=0)

    class Slow:
        name = "log"

        def write(self, data: memoryview) -> int:
            return complete.write(data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: Slow())
        file = CappedFile(tmp_path / "log", 100)
    file.write(b"abcdefgh")
    complete.close()
    assert (tmp_path / "log").read_bytes() == b"abcdefgh"


class Full:
    name = "log"

    def write(self, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_has_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", lambda *_, **__: Full())
    with pytest.raises(HostError, match="write log: No space left on device") as caught:
        CappedFile(tmp_path / "log", 100).write(b"a")
    assert caught.value.hint == "free some space there, or choose another folder with --output"


def test_nothing_is_left_of_a_document_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HostError, match=r"write .*a\.json: No space left"):
        write_json(tmp_path / "a.json", {})
    assert list(tmp_path.iterdir()) == []


def test_latest_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    create_run_folder(tmp_path / "run")
    with pytest.raises(HostError, match=r"point .* to the newest run"):
        point_latest(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "run"]


def test_files_get_a_folder_and_none_get_none(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    write_files(folder, {})
    assert not folder.exists()
    write_files(folder, {"a.dist": b"1", "trace": b"5"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.dist": b"1", "trace": b"5"}
