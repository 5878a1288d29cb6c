import errno
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Done

from testbed.archive.folders import read_run
from testbed.archive.resume import load_resumable
from testbed.cli import cli
from testbed.errors import DiskFullError, InputError
from testbed.evaluation.cell import analyse
from testbed.result import Result
from testbed.run import retention
from testbed.run.folder import folder_bytes, write_json
from testbed.run.retention import Retain, has_raw_files, is_retained, keeps_raw, settle
from testbed.run.run import Run
from testbed.run.site import LocalSite
from testbed.scenario.expand import Scenario, expand
from tests.support.fake_engine import FakeProcess
from tests.unit.run.test_run import Bench

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "runs"


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """Return the folder of a cell with both captures and its result, in a run folder."""
    source = next(path.parents[1] for path in sorted(VECTORS.glob("v*/*/*/client/capture.pcap")))
    folder = tmp_path / "run" / source.name
    shutil.copytree(source, folder)
    shutil.copy(source.parent / "run.json", folder.parent)
    write_json(folder / "result.json", analyse(folder).model_dump())
    return folder


def result_in(folder: Path) -> Result:
    return Result.model_validate_json((folder / "result.json").read_bytes())


def call(*arguments: str) -> Done:
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize(
    ("retain", "status", "kept"),
    [("all", "passed", True), ("failed", "passed", False), ("failed", "error", True), ("summary", "failed", False)],
)
def test_whose_raw_files_are_kept(cell: Path, retain: Retain, status: str, kept: bool) -> None:
    assert keeps_raw(retain, result_in(cell).model_copy(update={"status": status})) is kept


def test_compressed_captures_give_the_same_result(cell: Path) -> None:
    before, size_bytes = result_in(cell), folder_bytes(cell)
    assert settle(cell, before, "all", compressed=True) == before
    assert sorted(path.name for path in cell.glob("*/capture*")) == ["capture.pcap.zst"] * 2
    assert folder_bytes(cell) <= size_bytes
    assert call("analyze", str(cell)).exit_code == 0
    assert result_in(cell) == before
    assert json.loads(call("packets", str(cell), "--limit", "3", "--json").stdout)["frames"]


def test_of_a_single_cell_the_captures_stay_as_they_are(cell: Path) -> None:
    settle(cell, result_in(cell), "all", compressed=False)
    assert sorted(path.name for path in cell.glob("*/capture*")) == ["capture.pcap"] * 2


def test_without_raw_files_the_result_and_its_explanation_stay(cell: Path) -> None:
    before = result_in(cell)
    settled = settle(cell, before, "summary", compressed=True)
    assert not has_raw_files(cell)
    assert not is_retained(cell)
    assert settled.notes == [*before.notes, "raw files were not retained (--retain summary)"]
    assert settle(cell, settled, "summary", compressed=True) == settled
    assert before.verdict in call("analyze", str(cell), "--json").output
    assert result_in(cell) == settled
    explained = json.loads(call("explain", str(cell), "--json").output)
    assert [each["name"] for each in explained["findings"]] == [each.name for each in before.findings]
    refused = call("packets", str(cell)).exception
    assert isinstance(refused, InputError)
    assert "its captures were not retained" in refused.message


def run(bench: Bench, retain: Retain = "all", **fields: object) -> Callable[[], object]:
    site = LocalSite(bench.engine, bench.images, bench.observer, engine_version={"KernelVersion": "6"})
    cells = tuple(expand({"nodes": 1, "content": 0} | fields))
    return lambda: Run(site, bench.observer, output=bench.output, retain=retain).run(Scenario("test", "", cells))


def test_a_run_retains_what_is_requested_and_records_its_size(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    run(bench, "summary", family=["ipv4", "ipv6"])()
    lines = [json.loads(line) for line in (bench.output / "latest" / "results.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    for line in lines:
        folder = bench.output / "latest" / line["folder"]
        assert not has_raw_files(folder)
        assert line["bytes"] == folder_bytes(folder) > 0


def test_a_full_disk_ends_the_run_and_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    begun: list[str] = []
    settle_really = retention.settle

    def full(folder: Path, *arguments: object, **named: object) -> object:
        begun.append(folder.name)
        if len(begun) == 2:
            raise DiskFullError("write there: No space left on device", hint="free some space there")
        return settle_really(folder, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(retention, "settle", full)
    with pytest.raises(DiskFullError, match="No space left on device") as caught:
        run(bench, chunk=["1k", "2k", "3k"])()
    assert "are free in" in caught.value.hint
    assert f"testbed matrix --resume {(bench.output / 'latest').resolve()}" in caught.value.hint
    assert len(begun) == 2
    lines = (bench.output / "latest" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["folder"] for line in lines] == begun[:1]
    assert result_in(bench.output / "latest" / begun[0]).cell == begun[0]


def test_a_raw_file_without_space_makes_the_cell_unfinished(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def archive_full(process: FakeProcess) -> None:
        raise DiskFullError("write client/capture.pcap: No space left on device", hint="free some space there")

    bench.engine.scripts["client"] = archive_full
    with pytest.raises(DiskFullError, match=r"capture\.pcap: No space left"):
        run(bench, chunk=["1k", "2k"])()
    assert (bench.output / "latest" / "results.jsonl").read_text() == ""
    assert bench.engine.resources == {}


class Disk:
    """A disk that is full once a file of this name is written for the `number`th time: nothing is synchronized then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
        self.is_full = False
        self._name, self._left = name, number
        for call in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, call, partial(self._sync, getattr(os, call)))

    def _sync(self, sync: Callable[[int], None], fd: int) -> None:
        if self._name in Path(f"/proc/self/fd/{fd}").readlink().name:
            self._left -= 1
            self.is_full = self.is_full or self._left == 0
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(fd)


@pytest.mark.parametrize(
    ("first", "number", "finished"),
    [("cell.json", 2, 1), ("result.json", 2, 1), ("results.csv", 1, 3), ("junit.xml", 1, 3)],
)
def test_the_first_file_without_space_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, number: int, finished: int
) -> None:
    """The disk stays full: the documents at the end cannot be written either, which does not replace the error."""
    bench = Bench(tmp_path)
    disk = Disk(monkeypatch, first, number)
    with pytest.raises(DiskFullError, match=f"{first}: No space left on device") as caught:
        run(bench, chunk=["1k", "2k", "3k"])()
    latest = (bench.output / "latest").resolve()
    assert caught.value.hint.endswith(f"intact: free some space there, then testbed matrix --resume {latest}")
    assert bench.observer.notes == []
    assert not (latest / "results.csv").exists()
    disk.is_full = False
    assert len(read_run(latest).finished) == finished
    assert load_resumable(latest).continued.kept or not finished


def test_a_capture_without_space_is_reported_though_its_record_has_none_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    disk = Disk(monkeypatch, "nothing", 0)

    def archive_full(process: FakeProcess) -> None:
        disk.is_full = True
        raise DiskFullError("write client/capture.pcap: No space left on device", hint="free some space there")

    bench.engine.scripts["client"] = archive_full
    with pytest.raises(DiskFullError, match=r"capture\.pcap: No space left"):
        run(bench, chunk=["1k", "2k"])()
    assert bench.engine.resources == {}


def test_a_full_disk_does_not_hide_another_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    Disk(monkeypatch, "results.csv", 1)
    bench.engine.fail_on["start client"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(bench, chunk=["1k", "2k"])()
    latest = (bench.output / "latest").resolve()
    assert bench.observer.notes == [
        f"the raw files collected so far are in {latest}",
        f"write {latest / 'results.csv'}: No space left on device",
    ]


def test_a_capture_that_cannot_be_compressed_is_named(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch, "capture.pcap.zst", 1)
    with pytest.raises(DiskFullError, match=r"^compress .*client/capture\.pcap: No space left on device"):
        settle(cell, result_in(cell), "all", compressed=True)
    assert sorted(path.name for path in cell.glob("*/capture*")) == ["capture.pcap"] * 2
