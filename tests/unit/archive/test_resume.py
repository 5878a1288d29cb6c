import shutil
from pathlib import Path

import pytest

from testbed.archive.folders import find_run, read_run
from testbed.archive.resume import kept_attempts, load_resumable
from testbed.errors import InputError
from testbed.run.index import read_index
from testbed.run.index_lines import NAME
from testbed.scenario.expand import Scenario, expand
from testbed.scenario.select import Selection, Shards, repeated
from tests.support.runs import document, folders, result, summary, write_attempt, write_run

CELLS = tuple(expand({"nodes": [1, 2, 3, 4], "family": ["ipv4", "ipv6"]}))


def resumed_folders(run: Path) -> list[str]:
    """Clear a run as a resumption does, and return the folders that are kept."""
    found = load_resumable(run)
    found.continued.clear()
    kept = sorted(each.folder for each in found.continued.kept)
    index = read_index(run)
    assert index is not None
    assert sorted(index.by_folder) == kept
    assert folders(run) == kept
    return kept


def test_errors_and_torn_cells_are_repeated_and_results_kept(tmp_path: Path) -> None:
    statuses = ["passed", "failed", "error", "unsupported", None]
    run = write_run(tmp_path, "r", CELLS, statuses=statuses, conclusion=False)
    half = run / CELLS[4].folder  # it was being written
    (half / "client").mkdir(parents=True)
    (half / ".cell.json.part").write_text("{")
    (run / ".run.json.part").write_text("{")
    unrelated = run / "files"
    unrelated.mkdir()
    names = [CELLS[number].folder for number in (0, 1, 3, 5, 6, 7)]
    assert resumed_folders(run) == sorted(names)
    assert not half.exists()
    assert not (run / ".run.json.part").exists()
    assert unrelated.is_dir()
    found = load_resumable(run)
    assert found.scenario.cells == CELLS
    assert found.repeated == ()


def test_any_truncation_of_the_index_keeps_the_cells_before_it(tmp_path: Path) -> None:
    """As after kill -9, or a crash of the machine, at any moment."""
    whole = write_run(tmp_path, "whole", CELLS[:3], conclusion=False)
    data = (whole / NAME).read_bytes()
    ends = [position + 1 for position, byte in enumerate(data) if byte == ord("\n")]
    for cut in {0, 1, len(data) - 1, len(data), *ends, *(end - 1 for end in ends), *range(0, len(data), 97)}:
        run = tmp_path / "torn"
        shutil.copytree(whole, run)
        (run / NAME).write_bytes(data[:cut])
        complete = sum(end <= cut for end in ends)
        assert resumed_folders(run) == sorted(cell.folder for cell in CELLS[:complete])
        shutil.rmtree(run)


def test_a_result_without_its_line_and_a_line_without_its_result_are_repeated(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS[:3], conclusion=False)
    (run / CELLS[0].folder / "result.json").unlink()
    lines = (run / NAME).read_bytes().splitlines(keepends=True)
    (run / NAME).write_bytes(b"".join([lines[0], lines[2]]))
    assert resumed_folders(run) == [CELLS[2].folder]


def test_both_attempts_are_kept_or_repeated_together(tmp_path: Path) -> None:
    one, two = summary("a", timing_reliable=False), summary("a", attempt=2)
    planned = [type(CELLS[0])("a", CELLS[0].cell)]

    def kept(*given: object) -> list[str]:
        return [each.folder for each in kept_attempts(planned, {each.folder: each for each in given})]  # type: ignore[attr-defined]

    assert kept(one, two) == ["a", "a.a2"]
    assert kept(one) == ["a"]
    assert kept(two) == []
    assert kept(one, summary("a", "error", attempt=2)) == []
    assert kept(summary("other")) == []
    run = write_run(tmp_path, "r", CELLS[:1], conclusion=False)
    write_attempt(run, result(CELLS[0].id, attempt=2))
    assert resumed_folders(run) == [CELLS[0].folder]


def test_a_clearing_that_is_interrupted_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path, "r", CELLS[:4], statuses=["error", "passed", "error"], conclusion=False)

    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            load_resumable(run).continued.clear()
    assert len(folders(run)) == 4
    assert sorted(read_run(run).finished) == sorted([CELLS[1].folder, CELLS[3].folder])
    assert resumed_folders(run) == sorted([CELLS[1].folder, CELLS[3].folder])


def test_repetitions_and_shards_are_planned_as_before(tmp_path: Path) -> None:
    selection = Selection("nodes >= 2", Shards((2,), 2), 2)
    cells = selection.apply(CELLS)
    whole = selection.filtered(CELLS)
    run = write_run(tmp_path, "r", cells, statuses=[None] * 4, selection=selection, whole=whole, conclusion=False)
    found = load_resumable(run, Scenario("s.yaml", "", CELLS))
    assert found.scenario.cells == cells
    assert len(found.continued.kept) == len(cells) - 4
    assert found.continued.document["selection"]["filter"] == "nodes >= 2"


def test_a_scenario_with_other_cells_or_files(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS[:2], files={"t.dist": b"1"})
    assert load_resumable(run).scenario.files == {"t.dist": b"1"}
    load_resumable(run, Scenario("s", "", CELLS[:2], {"t.dist": b"1"}))
    with pytest.raises(InputError, match="only in the scenario"):
        load_resumable(run, Scenario("s", "", CELLS[:3], {"t.dist": b"1"}))
    with pytest.raises(InputError, match=r"t\.dist: not the file of the run"):
        load_resumable(run, Scenario("s", "", CELLS[:2], {"t.dist": b"2"}))


def test_a_plan_that_is_damaged(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", repeated(CELLS[:1], 2))
    (run / "run.json").write_text('{"schema_version": 3, "cells": [{"id": "a", "requested": {"nodes": "many"}}]}')
    with pytest.raises(InputError, match=r"run\.json: its plan is not usable") as caught:
        load_resumable(run)
    assert caught.value.hint == "start a new run of the scenario"
    (run / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: Expecting"):
        load_resumable(run)


def test_runs_are_found_by_id_path_and_latest(tmp_path: Path) -> None:
    run = write_run(tmp_path, "r", CELLS[:1])
    (tmp_path / "latest").symlink_to("r")
    for name in ("r", str(run), "latest"):
        assert find_run(name, tmp_path) == run
    with pytest.raises(InputError, match="x: no such run"):
        find_run("x", tmp_path)
    with pytest.raises(InputError, match="no runs in"):
        find_run("latest", tmp_path / "none")
    assert document(run)["run"] == "r"
