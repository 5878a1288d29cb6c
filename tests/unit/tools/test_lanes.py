import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from tools.lane_runner import Children, Lane, Outcome, Output, busy_s, run_lane, run_lanes
from tools.lanes import LANES, split

ROOT = Path(__file__).resolve().parents[3]


def shell(name: str, script: str, *, prints: bool = False, track: str = "checks") -> Lane:
    return Lane(name, ("sh", "-c", script), prints=prints, track=track)


def test_a_lane_prints_its_output_only_when_it_fails() -> None:
    output = Output(StringIO())
    assert run_lane(shell("quiet", "echo fine"), output, Children()).status == 0
    assert output.kept == ""
    assert run_lane(shell("loud", "echo wrong; exit 3"), output, Children()).status == 3
    assert "wrong" in output.kept


def test_the_processor_time_is_that_of_a_lanes_processes() -> None:
    spins = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    lane = Lane("spins", ("sh", "-c", '"$0" -c "$1"; true', sys.executable, spins))
    assert 0.3 <= run_lane(lane, Output(StringIO()), Children()).cpu_s < 60


def test_a_lane_that_fails_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    lanes = [Lane("a", ("false",)), Lane("b", ("true",))]
    assert run_lanes(lanes, lambda lane, *_: Outcome(lane, lane.name == "a", 1.5, 2.25)) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[-3:-1] == [
        "a                FAILED     1.5 s     2.2 s CPU",
        "b                ok         1.5 s     2.2 s CPU",
    ]
    assert shown[-1].startswith("1 of 2 lanes failed, 0 s; the machine was ")
    assert run_lanes(lanes, lambda lane, *_: Outcome(lane, 0, 1.0, 1.0)) == 0
    assert "all 2 lanes ok" in capsys.readouterr().out


def test_tracks_run_at_the_same_time_and_print_in_the_order_of_the_lanes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits for what the other writes, so neither would end if they did not run at the same time."""
    for name in ("one", "two"):
        os.mkfifo(tmp_path / name)
    first = shell("first", f"echo early; echo x >{tmp_path}/one; cat {tmp_path}/two; echo late", prints=True)
    second = shell("second", f"echo beside; cat {tmp_path}/one; echo y >{tmp_path}/two", prints=True, track="other")
    assert run_lanes([first, second]) == 0
    assert capfd.readouterr().out.split("\nfirst  ")[0].split() == [
        "first",
        "early",
        "y",
        "late",
        "second",
        "beside",
        "x",
    ]


RUNNER = """
import sys
from tools.lane_runner import Lane, run_lanes
both, on_interrupt = sys.argv[1:]
begin = f"trap '{on_interrupt}' INT; "
stay = "; echo up; while :; do sleep 0.05; done"
first = Lane("first", ("sh", "-c", begin + f"cat {both}" + stay), prints=True, track="a")
second = Lane("second", ("sh", "-c", begin + f"echo >{both}" + stay), prints=True, track="b")
sys.exit(run_lanes([first, second, Lane("never", ("touch", both + ".never"), track="a")]))
"""


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Provide the pipe at which two lanes wait until both have begun."""
    os.mkfifo(tmp_path / "both")
    return tmp_path / "both"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all_lanes_and_begins_none(number: signal.Signals, both: Path) -> None:
    argv = [sys.executable, "-c", RUNNER, str(both), "echo ended; exit 0"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "up" not in process.stdout.readline():
            pass
        process.send_signal(number)
        shown = process.communicate()[0]
    assert process.returncode == 130
    assert "ending the lanes" in shown
    assert shown.count("ended\n") == 2
    assert shown.splitlines()[-1].startswith("interrupted, ")
    assert not both.with_name("both.never").exists()


def test_a_second_interruption_kills_what_does_not_end(both: Path) -> None:
    argv = [sys.executable, "-c", RUNNER, str(both), ""]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for awaited in ("up", "ending the lanes"):
            while awaited not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGINT)
        shown = process.communicate()[0]
    assert process.returncode == 130
    assert "killing the lanes" in shown


def test_the_commands_share_a_folder_for_locks_while_they_run(tmp_path: Path) -> None:
    script = f'test -d "$TESTBED_TEST_LOCKS" && echo "$TESTBED_TEST_LOCKS" >>{tmp_path}/folders'
    assert run_lanes([shell("a", script), shell("b", script)]) == 0
    first, second = (tmp_path / "folders").read_text().splitlines()
    assert first == second
    assert not Path(first).exists()


def test_the_busy_time_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 2 3\n")
    assert busy_s(tmp_path / "stat") == pytest.approx(163 / os.sysconf("SC_CLK_TCK"))
    assert busy_s(tmp_path / "absent") == 0.0


def test_the_integration_tests_run_beside_the_others_and_the_kernels_after_them() -> None:
    assert all(lane.argv[1:2] == ("tests/integration",) and lane.docker for lane in LANES[-2:])
    assert [lane.name for lane in LANES if lane.track == LANES[-1].track] == ["integration", "kernels"]
    assert len({lane.name for lane in LANES}) == len(LANES)


def test_arguments_for_a_lane_follow_two_dashes() -> None:
    assert split(["integration", "--", "--family", "ipv6"]) == (["integration"], ("--family", "ipv6"))
    assert split(["--no-docker"]) == (["--no-docker"], ())


def test_every_test_folder_has_its_lane() -> None:
    tests = Path(__file__).resolve().parents[2]
    folders = {folder.name for folder in tests.iterdir() if folder.is_dir() and any(folder.rglob("test_*.py"))}
    covered = {Path(argument).name for lane in LANES for argument in lane.argv if argument.startswith("tests/")}
    assert folders == covered
