from pathlib import Path

import pytest

from testbed.archive.folders import read_run
from testbed.archive.listing import RunRow, cell_rows, run_row, run_rows
from testbed.archive.trees import size_bytes
from testbed.errors import InputError
from testbed.run.lock import locked
from testbed.scenario.expand import expand
from tests.support.runs import result, summary, write_attempt, write_run

CELLS = tuple(expand({"nodes": [1, 2, 3]}))


def test_a_run_grows_ends_and_may_be_interrupted(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS, statuses=["passed", None, "failed"], conclusion=False)
    with locked(run):
        row = run_row(read_run(run))
        assert (row.state, row.cells, row.finished, row.statuses) == ("running", 3, 2, {"passed": 1, "failed": 1})
    assert run_row(read_run(run)).state == "interrupted"
    assert run_row(read_run(write_run(tmp_path, "s", CELLS))).state == "complete"


def test_an_interrupted_cell_is_no_finished_one(tmp_path: Path) -> None:
    failure = {"kind": "interrupted", "message": "the run was interrupted"}
    run = write_run(tmp_path, "r", CELLS[:1], statuses=["error"], failure=failure)
    row = run_row(read_run(run))
    assert (row.state, row.finished, row.statuses) == ("interrupted", 0, {"error": 1})


def test_a_folder_that_is_being_written_is_not_listed(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS, statuses=["passed", None], conclusion=False)
    write_attempt(run, result(CELLS[1].id))  # not in the index yet
    rows = list(cell_rows(read_run(run)))
    assert [(row.folder, row.status) for row in rows] == [
        (CELLS[0].folder, "passed"),
        (CELLS[1].folder, "pending"),
        (CELLS[2].folder, "passed"),
    ]


def test_both_attempts_are_listed_and_the_last_one_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS[:1], statuses=["failed"], conclusion=False)
    second = write_attempt(run, result(CELLS[0].id, attempt=2))
    found = read_run(run)
    found.finished[second.folder] = second
    assert run_row(found).statuses == {"passed": 1}
    assert [(row.attempt, row.status) for row in cell_rows(found)] == [(1, "failed"), (2, "passed")]


def test_runs_are_listed_the_newest_first_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    for name in ("20260101-000000-aaaaaa", "20260102-000000-aaaaaa", "20260103-000000-aaaaaa"):
        write_run(tmp_path, name, CELLS[:1])
    (tmp_path / "latest").symlink_to("20260103-000000-aaaaaa")
    (tmp_path / "20260102-000000-aaaaaa" / "run.json").write_text("{")
    newest, damaged, oldest = run_rows(tmp_path)
    assert isinstance(newest, RunRow)
    assert isinstance(oldest, RunRow)
    assert (newest.run, oldest.run) == ("20260103-000000-aaaaaa", "20260101-000000-aaaaaa")
    assert isinstance(damaged, InputError)
    assert "20260102-000000-aaaaaa" in damaged.message
    assert list(run_rows(tmp_path / "none")) == []


def test_the_size_of_a_run_is_that_of_its_files(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS[:1])
    (run / CELLS[0].folder / "client" / "capture.pcap").write_bytes(bytes(1 << 16))
    assert size_bytes(run / CELLS[0].folder) >= 1 << 16
    assert size_bytes(tmp_path / "none") == 0
    found = read_run(run)
    found.finished[CELLS[0].folder] = summary(CELLS[0].id)
    assert run_row(found).bytes >= 10


def test_a_plan_without_cells(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS[:1])
    (run / "run.json").write_text('{"schema_version": 3}')
    with pytest.raises(InputError, match="it has no list of cells"):
        run_row(read_run(run))
