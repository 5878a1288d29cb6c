import csv
import errno
import os
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from testbed.archive.folders import read_run
from testbed.archive.listing import run_row
from testbed.archive.merge import merge_runs
from testbed.errors import HostError, InputError
from testbed.run.lock import locked
from testbed.scenario.expand import expand
from testbed.scenario.select import Selection, Shards
from tests.support.runs import document, folders, write_run

CELLS = tuple(expand({"nodes": [1, 2, 3], "family": ["ipv4", "ipv6"]}))


def shard(output: Path, number: int, count: int = 2, **fields: object) -> Path:
    selection = Selection(shards=Shards((number,), count))
    cells = selection.apply(CELLS)
    return write_run(output, f"run{number}", cells, selection=selection, whole=CELLS, **fields)  # type: ignore[arg-type]


def test_the_shards_become_one_run(tmp_path: Path) -> None:
    runs = [shard(tmp_path, 2, machine="host2", statuses=["failed"]), shard(tmp_path, 1)]
    merged = merge_runs(runs, tmp_path)
    assert folders(merged.path) == sorted(cell.folder for cell in CELLS)
    made = document(merged.path)
    assert made["run"] == merged.path.name
    assert [cell["id"] for cell in made["cells"]] == [cell.id for cell in CELLS]
    assert [(each["run"], each["machine_name"]) for each in made["sources"]] == [("run1", "host1"), ("run2", "host2")]
    assert (made["machine_names"], made["machine_name"], list(made["machines"])) == (
        ["host1", "host2"],
        "host1",
        ["host2"],
    )
    assert (made["missing_shards"], made["selection"]["shards"]) == ([], None)
    assert list(made["statuses"]) == [cell.folder for cell in CELLS]
    rows = list(csv.DictReader((merged.path / "results.csv").read_text().splitlines()))
    assert [(row["cell"], row["machine_name"]) for row in rows] == [
        (cell.id, f"host{number % 2 + 1}") for number, cell in enumerate(CELLS)
    ]
    suite = ET.parse(merged.path / "junit.xml").getroot()
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("6", "1")
    assert (tmp_path / "latest").resolve() == merged.path
    assert run_row(read_run(merged.path)).state == "complete"


def test_files_are_shared_or_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [shard(tmp_path, 1), shard(tmp_path, 2)]
    name = Path(CELLS[0].folder, "client", "stdout.log")
    shared = merge_runs(runs, tmp_path)
    assert (shared.path / name).samefile(runs[0] / name)

    def elsewhere(_source: str, _target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", elsewhere)
    copied = merge_runs(runs, tmp_path)
    assert not (copied.path / name).samefile(runs[0] / name)
    assert (copied.path / name).read_bytes() == (runs[0] / name).read_bytes()


def test_a_missing_shard_is_named_and_merged_later(tmp_path: Path) -> None:
    part = merge_runs([shard(tmp_path, 1, 3), shard(tmp_path, 3, 3)], tmp_path)
    assert document(part.path)["missing_shards"] == [2]
    assert document(part.path)["selection"]["shards"] == {"numbers": [1, 3], "count": 3}
    assert run_row(read_run(part.path)).state == "interrupted"
    whole = merge_runs([part.path, shard(tmp_path, 2, 3)], tmp_path)
    assert document(whole.path)["missing_shards"] == []
    assert [cell["id"] for cell in document(whole.path)["cells"]] == [cell.id for cell in CELLS]
    assert sorted(each["run"] for each in document(whole.path)["sources"]) == ["run1", "run2", "run3"]
    assert folders(whole.path) == sorted(cell.folder for cell in CELLS)


def test_a_running_run_is_not_merged(tmp_path: Path) -> None:
    runs = [shard(tmp_path, 1), shard(tmp_path, 2)]
    with locked(runs[1]), pytest.raises(InputError, match="the run run2 is still running"):
        merge_runs(runs, tmp_path)


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [shard(tmp_path, 1), shard(tmp_path, 2)]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(HostError, match="No space left on device"):
        merge_runs(runs, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_merge_that_is_killed_leaves_no_run_and_the_next_one_sweeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [shard(tmp_path, 1), shard(tmp_path, 2)]
    output = tmp_path / "out"
    with monkeypatch.context() as patch:  # kill -9: nothing cleans up
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            merge_runs(runs, output)
    assert [path.name[:7] for path in output.iterdir()] == [".merge-"]
    assert list(output.glob("*/run.json")) == []
    merged = merge_runs(runs, output)
    assert sorted(path.name for path in output.iterdir()) == sorted([merged.path.name, "latest"])


def test_runs_of_earlier_versions_have_no_index_and_are_merged(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, name, CELLS[:2], machine=name) for name in ("a", "b")]
    for run in runs:
        (run / "results.jsonl").unlink()
    merged = merge_runs(runs, tmp_path)
    assert len(merged.plan.notes) == 2
    assert document(merged.path)["machine_names"] == ["a"]
