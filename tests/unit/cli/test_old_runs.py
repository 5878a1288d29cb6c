"""Run folders of earlier versions (tests/vectors/runs): they are still read, and give the same findings."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from testbed.cli import cli
from testbed.result import SCHEMA_VERSION, Result
from testbed.result_upgrade import upgrade_result

ROOT = Path(__file__).resolve().parents[2] / "vectors" / "runs"
RUNS = sorted(path.parent for path in ROOT.glob("v*/*/run.json"))
CELLS = sorted(path.parent for path in ROOT.glob("v*/*/*/cell.json"))

WITH_FRAMES = [path for path in CELLS if "hoarder_client-ipv4" not in path.name]
"""All but a cell without a connection."""

KIND = (  # by parts of the sentences, of old versions and of this one
    ("reads too slowly and holds", "receiver"),
    ("reads too slowly and limits", "receiver"),
    ("too small for the round trip and holds", "window"),
    ("too small for the round trip and limits", "window"),
    ("own socket buffer is too small", "send buffer"),
    ("The sending program limits", "application"),
    ("The network limits", "network"),
    ("never waited for the reader", "buffered"),
    ("No connection", "no connection"),
)


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def call(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def expected(folder: Path) -> dict[str, Any]:
    cell: dict[str, Any] = json.loads((folder.parent / "expected-findings.json").read_text())["cells"][folder.name]
    return cell


def known(then: object, now: object) -> object:
    """Return `now` without the keys that this version has added: they are null, because an old run has not counted."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return now
    added = now.keys() - then.keys()
    assert all(now[key] is None for key in added), added
    return {key: now[key] for key in then}


def kind(verdict: str) -> list[str]:
    return [name for part, name in KIND if part in verdict]


def locations(evidence: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(each[key] for key in ("file", "kind", "first", "last", "count", "filter")) for each in evidence]


@pytest.mark.parametrize("folder", CELLS, ids=ids(CELLS))
def test_an_old_cell_has_the_same_findings(folder: Path) -> None:
    """Names, numbers, confidence, evidence; the words of the verdict may change, its kind and its numbers may not."""
    found, wanted = call("explain", str(folder)), expected(folder)
    assert [f["name"] for f in found["findings"]] == [f["name"] for f in wanted["findings"]]
    translated = upgrade_result({"findings": wanted["findings"]})["findings"]
    for now, then in zip(found["findings"], translated, strict=True):
        same = {name: now["facts"].get(name) for name in then["facts"]}
        same |= {"missing_fields": []} if now["facts"].get("missing_fields") == [] else {}
        assert same == then["facts"], now["name"]
        assert (now["confidence"], locations(now["evidence"])) == (then["confidence"], locations(then["evidence"]))
    assert [each["name"] for each in found["not_reported"]] == [each["name"] for each in wanted["silent"]]
    assert kind(found["verdict"]) == kind(wanted["verdict"]) != []
    assert re.findall(r"\d[\d .]*", found["verdict"]) == re.findall(r"\d[\d .]*", wanted["verdict"])


@pytest.mark.parametrize("run", RUNS, ids=ids(RUNS))
def test_an_old_run_is_analysed_again(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    results = call("analyze", str(copy))["results"]
    for result in results:
        folder = run / result["cell"]
        assert result["status"] == expected(folder)["status"]
        written = Result.model_validate_json((copy / result["cell"] / "result.json").read_text())
        assert written.schema_version == SCHEMA_VERSION
        then = upgrade_result(json.loads((folder / "result.json").read_text()))
        unlike = {"schema_version", "verdict", "findings", "not_reported", "checks", "reason", "made_by", "metrics"}
        assert {key: result[key] for key in then.keys() - unlike - {"link"}} == {
            key: value for key, value in then.items() if key not in unlike | {"link"}
        }
        assert then["metrics"].items() <= result["metrics"].items()
        for role, link in then["link"].items():
            now = result["link"][role]
            assert {key: known(link[key], now[key]) for key in link} == link


@pytest.mark.parametrize("folder", WITH_FRAMES, ids=ids(WITH_FRAMES))
def test_the_frames_of_an_old_cell(folder: Path) -> None:
    for found in expected(folder)["findings"]:
        counts = [each["count"] for each in found["evidence"] if each["file"] == "client/capture.pcap"]
        if counts and found["evidence"][0]["kind"] == "frames":
            shown = call("packets", str(folder), "--finding", found["name"], "--limit", "0")
            assert max(counts) <= shown["chosen"] <= sum(counts)


def test_an_old_result_becomes_a_current_record() -> None:
    """Whatever version 2 wrote is a valid result once it is upgraded."""
    for path in sorted(ROOT.glob("v2/*/*/result.json")):
        Result.model_validate(upgrade_result(json.loads(path.read_text())))
