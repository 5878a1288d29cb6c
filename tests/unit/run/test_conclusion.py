import csv
import errno
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from testbed.errors import DiskFullError
from testbed.result import Metrics, Result, Status
from testbed.run.conclusion import conclude, read_results, text_file
from testbed.run.summary import Summary, summary_of


def attempt(
    run: Path, cell: str, *, status: Status = "passed", number: int = 1, repetition: int = 1, goodput: float = 1.0
) -> Summary:
    """Write the result of one attempt, and return its summary."""
    result = Result(
        run=run.name,
        cell=cell,
        repetition=repetition,
        attempt=number,
        status=status,
        reason="" if status == "passed" else "it failed",
        requested={},
        link={},
        metrics=Metrics(goodput_bytes_per_s=goodput),
        timing_reliable=True,
        checks=[],
        findings=[],
        notes=[],
        machine_name=f"host {cell}",
    )
    summary = summary_of(result, bytes_on_disk=0, ended_ns=0)
    (run / summary.folder).mkdir(parents=True)
    (run / summary.folder / "result.json").write_text(result.model_dump_json())
    return summary


def document(*cells: str) -> dict[str, object]:
    return {"schema_version": 3, "scenario": "s", "requested": {}, "cells": [{"id": cell} for cell in cells]}


def rows(run: Path) -> list[tuple[str, str]]:
    return [(row["cell"], row["attempt"]) for row in csv.DictReader(io.StringIO((run / "results.csv").read_text()))]


def test_the_table_has_all_attempts_and_the_report_those_that_count(tmp_path: Path) -> None:
    summaries = [attempt(tmp_path, "a", status="failed"), attempt(tmp_path, "a", number=2), attempt(tmp_path, "b")]
    complete = conclude(tmp_path, document("a", "b"), summaries)
    assert rows(tmp_path) == [("a", "1"), ("a", "2"), ("b", "1")]
    suite = ET.parse(tmp_path / "junit.xml").getroot()
    assert [case.get("name") for case in suite.iter("testcase")] == ["a", "b"]
    assert list(suite.iter("failure")) == []
    assert complete == json.loads((tmp_path / "run.json").read_text())
    assert complete["statuses"] == {"a": "failed", "a.a2": "passed", "b": "passed"}
    assert complete["machine_names"] == ["host a", "host b"]
    assert "repeats" not in complete


def test_a_single_cell_has_no_table(tmp_path: Path) -> None:
    conclude(tmp_path, document("a"), [attempt(tmp_path, "a")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "run.json"]


def test_repetitions_are_summarised_by_the_attempts_that_count(tmp_path: Path) -> None:
    summaries = [
        attempt(tmp_path, "a", goodput=1.0),
        attempt(tmp_path, "a", repetition=2, goodput=100.0),
        attempt(tmp_path, "a", repetition=2, number=2, goodput=3.0),
    ]
    (repeats,) = conclude(tmp_path, document("a", "a"), summaries)["repeats"]
    assert repeats["cell"] == "a"
    assert repeats["metrics"]["goodput_bytes_per_s"]["median"] == 2.0


def test_a_missing_or_damaged_result_is_left_out(tmp_path: Path) -> None:
    summaries = [attempt(tmp_path, name) for name in ("a", "b", "c")]
    (tmp_path / "a" / "result.json").unlink()
    (tmp_path / "b" / "result.json").write_text('{"run": ')
    assert [result.cell for result in read_results(tmp_path, [each.folder for each in summaries])] == ["c"]
    conclude(tmp_path, document("a", "b", "c"), summaries)
    assert rows(tmp_path) == [("c", "1")]


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("old")
    with text_file(path) as write:
        write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with text_file(tmp_path / "none", wanted=False) as write:
        write("new")
    assert [each.name for each in tmp_path.iterdir()] == ["results.csv"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("old")
    with pytest.raises(DiskFullError, match=r"results\.csv"), text_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["results.csv"]
