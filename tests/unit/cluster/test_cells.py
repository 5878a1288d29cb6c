from pathlib import Path

import pytest

from testbed.cluster.cells import REMEMBERED_RUNS, Cells


@pytest.fixture
def parcel(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "parcel").write_bytes(b"zip")
    return folder / "parcel"


def test_the_end_of_a_run_reaches_its_running_cells_only() -> None:
    cells = Cells()
    with cells.running("a", "run 1") as first, cells.running("b", "run 2") as other:
        assert cells.end_run("run 1") == ["a"]
        assert (first.in_order, other.in_order) == (True, False)


def test_a_cell_that_begins_after_the_end_of_its_run_ends_at_once() -> None:
    cells = Cells()
    assert cells.end_run("run 1") == []
    with cells.running("a", "run 1") as late, cells.running("b", "run 2") as other:
        assert (late.in_order, other.in_order) == (True, False)


def test_the_oldest_ended_runs_are_forgotten() -> None:
    cells = Cells()
    for number in range(REMEMBERED_RUNS + 1):
        cells.end_run(f"run {number}")
    with cells.running("a", "run 0") as forgotten, cells.running("b", "run 1") as known:
        assert (forgotten.in_order, known.in_order) == (False, True)


def test_releasing_a_task_ends_its_cell() -> None:
    cells = Cells()
    with cells.running("a", "run 1") as stop:
        cells.release("b")
        assert not stop.in_order
        cells.release("a")
        assert stop.in_order
    cells.release("a")  # it has ended: there is nothing to release


def test_releasing_a_task_removes_its_parcel(parcel: Path) -> None:
    cells = Cells()
    cells.keep_parcel("a", parcel)
    assert cells.parcel("a") == parcel
    assert cells.parcel("b") is None
    cells.release("a")
    assert cells.parcel("a") is None
    assert not parcel.parent.exists()


def test_the_end_of_the_process_releases_everything(parcel: Path) -> None:
    cells = Cells()
    cells.keep_parcel("a", parcel)
    with cells.running("b", "run 1") as stop:
        cells.end_all()
        assert stop.in_order
    assert not parcel.parent.exists()
