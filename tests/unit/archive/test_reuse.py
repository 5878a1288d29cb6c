import json
import shutil
from pathlib import Path

import pytest

from testbed.archive.reuse import EarlierRuns, find_earlier
from testbed.run.folder import folder_bytes
from testbed.run.retention import Retain, has_raw_files
from testbed.scenario.expand import PlannedCell, expand
from testbed.scenario.select import repeated
from tests.support.runs import folders, write_run

CELLS = tuple(expand({"nodes": [1, 2, 3]}))


def digest(planned: PlannedCell) -> str:
    return f"inputs of {planned.cell.nodes}"


def earlier(output: Path, run: str, cells: tuple[PlannedCell, ...] = CELLS, **fields: object) -> Path:
    """Write a run whose cells all have the inputs of the first."""
    return write_run(output, run, cells, inputs=digest(cells[0]), **fields)  # type: ignore[arg-type]


def test_the_newest_result_is_taken(tmp_path: Path) -> None:
    earlier(tmp_path, "20260101-000000-aaaaaa", CELLS[:1])
    newest = earlier(tmp_path, "20260102-000000-aaaaaa", CELLS[:1])
    earlier(tmp_path, "20260103-000000-aaaaaa", CELLS[:1], statuses=["failed"])
    now = write_run(tmp_path, "20260104-000000-aaaaaa", CELLS, statuses=[None] * 3, conclusion=False)
    notes: list[str] = []
    ((planned, summary),) = EarlierRuns(tmp_path, "host1", "fresh", notes.append).take(CELLS, digest, now)
    assert planned == CELLS[0]
    assert (summary.folder, summary.reused_from) == (CELLS[0].folder, newest.name)
    assert (folders(now), notes) == ([CELLS[0].folder], [])
    for name in ("cell.json", "result.json"):
        made = json.loads((now / CELLS[0].folder / name).read_text())
        assert (made["run"], made["reused_from"]) == (now.name, newest.name)
        before = json.loads((newest / CELLS[0].folder / name).read_text())
        assert (before["run"], before["reused_from"]) == (newest.name, ""), "the earlier run is not changed"
    raw = Path(CELLS[0].folder, "client", "stdout.log")
    assert (now / raw).samefile(newest / raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"statuses": ["failed"]},
        {"statuses": ["error"]},
        {"statuses": ["unsupported"]},
        {"timing_reliable": False},
        {"machine": "host2"},
        {"isolation": "warm"},
    ],
)
def test_what_is_not_reusable(tmp_path: Path, fields: dict[str, object]) -> None:
    earlier(tmp_path, "r", CELLS[:1], **fields)
    assert find_earlier(tmp_path, {digest(CELLS[0]): 1}, "host1") == {}


def test_unknown_timing_is_no_issue_and_unknown_inputs_match_nothing(tmp_path: Path) -> None:
    earlier(tmp_path, "r", CELLS[:1], timing_reliable=None)
    write_run(tmp_path, "s", CELLS[:1])
    assert list(find_earlier(tmp_path, {digest(CELLS[0]): 1, "": 1, "other": 1}, "host1")) == [digest(CELLS[0])]


def test_no_measurement_counts_twice(tmp_path: Path) -> None:
    """Neither for two repetitions, nor because a run has reused what another has measured."""
    first = earlier(tmp_path, "20260101-000000-aaaaaa", repeated(CELLS[:1], 2))
    copies = earlier(tmp_path, "20260102-000000-aaaaaa", repeated(CELLS[:1], 2), reused_from=first.name)
    wanted = {digest(CELLS[0]): 5}
    (found,) = find_earlier(tmp_path, wanted, "host1").values()
    assert {each.run for each in found} == {first}
    assert len({each.summary.folder for each in found}) == len(found) == 2
    shutil.rmtree(first)
    (left,) = find_earlier(tmp_path, wanted, "host1").values()
    assert [each.run for each in left] == [copies]


def test_a_damaged_result_is_not_taken(tmp_path: Path) -> None:
    old = earlier(tmp_path, "20260101-000000-aaaaaa", CELLS[:1])
    (old / CELLS[0].folder / "result.json").write_text("{")
    now = write_run(tmp_path, "20260104-000000-aaaaaa", CELLS, statuses=[None] * 3, conclusion=False)
    notes: list[str] = []
    assert list(EarlierRuns(tmp_path, "host1", "fresh", notes.append).take(CELLS, digest, now)) == []
    assert notes[0].startswith(f"{old.name}/{CELLS[0].folder} is not reused: ")
    assert not (now / CELLS[0].folder).exists()


def test_another_id_of_the_same_cell(tmp_path: Path) -> None:
    """An id names the fields that vary, so the same cell may have another one in another scenario."""
    earlier(tmp_path, "20260101-000000-aaaaaa", CELLS[:1])
    (alone,) = expand({"nodes": 1})
    assert alone.id != CELLS[0].id
    now = write_run(tmp_path, "20260104-000000-aaaaaa", [alone], statuses=[None], conclusion=False)
    ((_, summary),) = EarlierRuns(tmp_path, "host1", "fresh", print).take([alone], digest, now)
    assert (summary.cell, summary.folder) == (alone.id, alone.folder)
    assert json.loads((now / alone.folder / "result.json").read_text())["cell"] == alone.id
    assert json.loads((now / alone.folder / "cell.json").read_text())["id"] == alone.id


def test_warm_cells_may_be_taken_from_fresh_runs_and_not_the_other_way_round(tmp_path: Path) -> None:
    earlier(tmp_path, "20260101-000000-aaaaaa", CELLS[:1])
    warm = earlier(tmp_path, "20260102-000000-aaaaaa", CELLS[:1], isolation="warm")
    wanted = {digest(CELLS[0]): 2}
    assert len(find_earlier(tmp_path, wanted, "host1")[digest(CELLS[0])]) == 1
    found = find_earlier(tmp_path, wanted, "host1", "warm")[digest(CELLS[0])]
    assert [each.summary.isolation for each in found] == ["warm", "fresh"]
    assert found[0].run == warm


def without_raw(run: Path) -> None:
    for folder in run.glob("*/client"):
        shutil.rmtree(folder)
        shutil.rmtree(folder.with_name("server"))


def test_a_run_that_keeps_raw_files_takes_no_result_without_them(tmp_path: Path) -> None:
    older = earlier(tmp_path, "20260101-000000-aaaaaa", CELLS[:1])
    without_raw(earlier(tmp_path, "20260102-000000-aaaaaa", CELLS[:1]))
    now = write_run(tmp_path, "20260104-000000-aaaaaa", CELLS, statuses=[None] * 3, conclusion=False)
    notes: list[str] = []
    ((_, summary),) = EarlierRuns(tmp_path, "host1", "fresh", notes.append).take(CELLS, digest, now)
    assert summary.reused_from == older.name
    assert notes == ["1 earlier result not reused: their runs have not retained the raw files, and this one does"]


@pytest.mark.parametrize("retain", ["failed", "summary"])
def test_a_run_that_keeps_none_takes_results_without_and_removes_those_of_others(
    tmp_path: Path, retain: Retain
) -> None:
    """The earlier run keeps its own: they shared the files by hard links."""
    old = earlier(tmp_path, "20260101-000000-aaaaaa", CELLS[:1])
    now = write_run(tmp_path, "20260104-000000-aaaaaa", CELLS, statuses=[None] * 3, conclusion=False)
    notes: list[str] = []
    runs = EarlierRuns(tmp_path, "host1", "fresh", notes.append, retain)
    ((_, summary),) = runs.take(CELLS[:1], digest, now)
    made = now / CELLS[0].folder
    assert not has_raw_files(made)
    assert summary.bytes == folder_bytes(made)
    assert json.loads((made / "result.json").read_text())["notes"] == [
        f"raw files were not retained (--retain {retain})"
    ]
    assert has_raw_files(old / CELLS[0].folder)
    assert json.loads((old / CELLS[0].folder / "result.json").read_text())["notes"] == []
    without_raw(old)
    shutil.rmtree(made)
    assert len(list(runs.take(CELLS[:1], digest, now))) == 1
    assert notes == []
