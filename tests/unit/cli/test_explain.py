"""`testbed explain`, `analyze` and `packets` on made-up cells, without an engine."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from testbed.analysis.findings.registry import RULES
from testbed.cli import cli
from testbed.errors import InputError
from tests.support.captures import exchange, pcap
from tests.support.transfers import slow_reader, swallowed


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A folder of runs with one run of one cell, and one with two."""
    slow_reader().write(tmp_path / "one" / "cell")
    slow_reader().write(tmp_path / "two" / "four")
    six = slow_reader(family="ipv6").write(tmp_path / "two" / "six")
    assert json.loads((six / "cell.json").read_text())["requested"]["family"] == "ipv6"
    (tmp_path / "latest").symlink_to("one")
    return tmp_path


def call(output: Path, name: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [name, "--output", str(output), *arguments])


def document(output: Path, name: str, *arguments: str) -> dict[str, Any]:
    shown = call(output, name, *arguments, "--json")
    assert shown.exception is None, shown.output
    found = json.loads(shown.output)
    assert isinstance(found, dict)
    return found


def problems(output: Path, name: str, *arguments: str) -> str:
    shown = call(output, name, *arguments)
    assert isinstance(shown.exception, InputError)
    return f"{shown.exception.message} {shown.exception.hint}"


@pytest.mark.parametrize("target", [(), ("latest",), ("one",), ("one/cell",)])
def test_the_answer_and_its_findings(output: Path, target: tuple[str, ...]) -> None:
    shown = call(output, "explain", *target)
    assert shown.exit_code == 0
    assert shown.output.startswith("The receiver reads too slowly")
    assert "\nwindow-closed\n" in shown.output
    assert "wireshark: frame.number in {" in shown.output
    assert "keep-alives" in shown.output.splitlines()[-1]


def test_all_and_one(output: Path) -> None:
    everything = call(output, "explain", "--all").output
    assert "\ncontext\n" in everything
    assert "not observable" in everything
    one = call(output, "explain", "--finding", "conservation").output
    assert "\nconservation\n" in one
    assert "window-closed" not in one


def test_one_document(output: Path) -> None:
    found = document(output, "explain")
    assert found["cell"] == "cell"
    assert len(found["findings"]) + len(found["not_reported"]) == len(RULES)


def test_before_the_first_run(tmp_path: Path) -> None:
    assert problems(tmp_path / "gone", "explain") == f"no runs in {tmp_path}/gone yet testbed run"
    (tmp_path / "latest").symlink_to("removed")
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "run.json").touch()
    assert "latest: no such run" in problems(tmp_path, "explain")


def test_a_missing_target(output: Path) -> None:
    assert "no such run, cell or file (looked in . and" in problems(output, "explain", "nothing")
    assert "two/four" in problems(output, "explain", "two")
    assert "one of: window-closed" in problems(output, "explain", "--finding", "x")
    (output / "empty").mkdir()
    assert "neither a cell nor a run that contains cells" in problems(output, "explain", "empty")
    (output / "found.pcap").touch()
    assert "use: testbed analyze" in problems(output, "explain", "found.pcap")


def test_a_record_of_a_newer_version_is_read_as_far_as_it_is_known(output: Path) -> None:
    path = output / "one" / "cell" / "cell.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"of_another_version": 1}))
    assert call(output, "explain").exit_code == 0
    del record["requested"]
    path.write_text(json.dumps(record))
    assert "cell.json: 1 validation error" in problems(output, "explain")


def test_an_old_run_is_analysed_again(output: Path) -> None:
    found = document(output, "analyze", "two")
    assert [result["cell"] for result in found["results"]] == ["four", "six"]
    for name, result in zip(("four", "six"), found["results"], strict=True):
        assert json.loads((output / "two" / name / "result.json").read_text()) == result
        pair = [finding for finding in result["findings"] if finding["name"] == "family-pair"]
        assert "has the same verdict" in pair[0]["sentence"]
    assert "reads too slowly" in call(output, "analyze", "one").output


def test_a_capture_from_anywhere(output: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.pcap"
    path.write_bytes(pcap(swallowed().segments))
    shown = call(output, "analyze", str(path))
    assert "1 TCP connection" in shown.output
    assert "reads too slowly" in shown.output
    found = document(output, "analyze", str(path))
    assert found["connections"][0]["payload_bytes"] == 60_000
    assert document(output, "analyze", str(path), "--stream", "0")["connections"] == found["connections"]
    assert "numbered from 0" in problems(output, "analyze", str(path), "--stream", "1")


def test_an_invalid_capture(output: Path, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("this is no capture at all")
    for name in ("analyze", "packets"):
        reason = "not a pcap or pcapng file (it begins with 74 68 69 73) use a capture in pcap or pcapng format"
        assert problems(output, name, str(path)).startswith(f"{path}: {reason}")
    path.write_bytes(pcap(exchange())[:20])
    assert "text: the file header of 24 bytes is truncated, at byte 20" in problems(output, "analyze", str(path))
    path.write_bytes(pcap([]))
    assert "no TCP connection" in problems(output, "packets", str(path))


def test_a_damaged_capture_of_a_cell_is_a_finding_of_the_analysis(output: Path) -> None:
    (output / "one" / "cell" / "client" / "capture.pcap").write_text("this is no capture at all")
    assert call(output, "analyze", "one").exit_code == 0
    assert "not a pcap" in call(output, "explain", "--finding", "capture-trust").output
    assert "client/capture.pcap: not a pcap" in problems(output, "packets")


def test_the_ladder(output: Path, tmp_path: Path) -> None:
    assert "|-- S  0" in call(output, "packets").output
    path = tmp_path / "mine.pcap"
    path.write_bytes(pcap(exchange()))
    assert call(output, "packets", str(path)).output.count("|--") > 20
    assert len(call(output, "packets", "--limit", "5").output.splitlines()) == 7


@pytest.mark.parametrize(("text", "numbers"), [("3-5", [3, 4, 5]), ("-2", [1, 2]), ("4", [4])])
def test_a_range(output: Path, text: str, numbers: list[int]) -> None:
    assert [frame["frame"] for frame in document(output, "packets", f"--range={text}")["frames"]] == numbers


def test_frames_of_a_finding(output: Path) -> None:
    found = document(output, "packets", "--end", "server", "--finding", "window-closed")
    assert found["chosen"] == len(found["frames"]) > 0
    assert all("zero window" in frame["marks"] for frame in found["frames"])
    assert document(output, "packets", "--range=20-")["frames"][0]["frame"] == 20


def test_a_finding_is_shown_from_the_end_that_has_its_evidence(output: Path) -> None:
    chosen = document(output, "packets", "--finding", "window-closed")
    assert chosen == document(output, "packets", "--finding", "window-closed", "--end", "server")
    assert chosen["file"] == "server/capture.pcap"
    assert call(output, "packets", "--finding", "window-closed").stderr == "server/capture.pcap has the evidence\n"
    assert call(output, "packets", "--finding", "window-closed", "--end", "server").stderr == ""
    assert document(output, "packets")["file"] == "client/capture.pcap"
    several = ("--finding", "window-closed", "--finding", "capture-trust")
    assert "the evidence of window-closed is in server/capture.pcap" in problems(output, "packets", *several)


def test_an_invalid_choice_of_frames(output: Path) -> None:
    assert "write FIRST-LAST" in problems(output, "packets", "--range", "x")
    assert "no such frame; connection 0 has" in problems(output, "packets", "--range", "1000-2000")
    assert "--range 5-3: the first frame number is above the last" in problems(output, "packets", "--range", "5-3")
    assert call(output, "packets", "--limit", "-3").exit_code == 2
    assert "--end server" in problems(output, "packets", "--end", "client", "--finding", "window-closed")
    assert "does not apply" in problems(output, "packets", "--finding", "keep-alives")
    reason = problems(output, "packets", "one/cell", "--finding", "read-rate")
    assert reason.startswith(f"read-rate has no frame evidence `testbed explain {output}/one/cell --finding read-rate`")
