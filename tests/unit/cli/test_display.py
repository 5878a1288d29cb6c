from pathlib import Path

import pytest

from testbed.cli.display import Display
from testbed.run.executor import Attempt
from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import Cell

ATTEMPT = Attempt(PlannedCell("one", Cell()), 1, Path("run/one"))


def display(*, quiet: bool = False, verbose: int = 0) -> Display:
    return Display(quiet=quiet, verbose=verbose, on_end=lambda _attempt, _result: None)


def test_phases_are_shown_only_with_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    display().phase(ATTEMPT, "verify")
    assert capsys.readouterr() == ("", "")
    display(verbose=1).phase(ATTEMPT, "verify")
    assert capsys.readouterr() == ("", "verifying the link\n")


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    display().note("removed 3 leftovers")
    assert capsys.readouterr() == ("", "testbed: removed 3 leftovers\n")


def test_a_build_shows_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    quiet, loud = display(), display(verbose=1)
    for line in ("build testbed-client:1", "client: Step 1/2 : FROM x", "client: ---> Running"):
        quiet.build_progress(line)
    assert capsys.readouterr().err == "build testbed-client:1\nclient: Step 1/2 : FROM x\n"
    loud.build_progress("client: ---> Running")
    assert capsys.readouterr().err == "client: ---> Running\n"


def test_there_is_no_live_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display()
    with shown.live():
        shown.phase(ATTEMPT, "transfer")
        shown.progress(ATTEMPT, 100, 50)
    assert capsys.readouterr() == ("", "")


def test_the_live_line_shows_what_is_in_transit() -> None:
    shown = display()
    shown.phase(ATTEMPT, "transfer")
    shown.progress(ATTEMPT, 255_204, 8192)
    line = shown._line()
    assert line.startswith("transferring")
    assert line.endswith("written 255 204 B  read 8 192 B  unread 247 012 B")


def test_the_boot_of_a_guest_vm_is_shown_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display()
    shown.guest_progress("booting kernel 6.1 with tcg")
    display(quiet=True).guest_progress("booting kernel 6.1 with tcg")
    assert capsys.readouterr() == ("", "testbed: booting kernel 6.1 with tcg\n")
    assert shown._line().startswith("booting kernel 6.1 with tcg")
