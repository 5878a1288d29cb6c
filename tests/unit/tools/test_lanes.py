from pathlib import Path

import pytest

from tools.lanes import LANES, Lane, Outcome, run_lane, run_lanes


def test_a_lane_prints_its_output_only_when_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_lane(Lane("quiet", ("sh", "-c", "echo fine"))).status == 0
    assert capsys.readouterr().out == ""
    assert run_lane(Lane("loud", ("sh", "-c", "echo wrong; exit 3"))).status == 3
    assert "wrong" in capsys.readouterr().out


def test_a_lane_that_fails_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    lanes = [Lane("a", ("false",)), Lane("b", ("true",))]
    assert run_lanes(lanes, lambda lane: Outcome(lane, lane.name == "a", 1.5)) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[-3:] == [
        "a                FAILED     1.5 s",
        "b                ok         1.5 s",
        "1 of 2 lanes failed, 3 s",
    ]
    assert run_lanes(lanes, lambda lane: Outcome(lane, 0, 1.0)) == 0


def test_the_integration_tests_come_last_and_need_docker() -> None:
    assert LANES[-1].argv[1:] == ("tests/integration",)
    assert LANES[-1].docker
    assert len({lane.name for lane in LANES}) == len(LANES)


def test_every_test_folder_has_its_lane() -> None:
    tests = Path(__file__).resolve().parents[2]
    folders = {folder.name for folder in tests.iterdir() if folder.is_dir() and any(folder.rglob("test_*.py"))}
    covered = {Path(argument).name for lane in LANES for argument in lane.argv if argument.startswith("tests/")}
    assert folders == covered
