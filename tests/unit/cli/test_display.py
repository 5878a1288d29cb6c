from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from testbed.cli import display as module
from testbed.cli.display import HEARTBEAT_S, Display
from testbed.result import cell_folder
from testbed.run.executor import Attempt
from testbed.scenario.expand import PlannedCell
from testbed.scenario.model import Cell
from tests.support.runs import result

ATTEMPT = Attempt(PlannedCell("one", Cell()), 1, Path("run/one"))


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def display(*, quiet: bool = False, verbose: int = 0, clock: Callable[[], float] = Clock()) -> Display:  # noqa: B008
    return Display(quiet=quiet, verbose=verbose, on_end=lambda _attempt, _result: None, clock=clock)


def attempt(name: str, number: int = 1) -> Attempt:
    return Attempt(PlannedCell(name, Cell()), number, Path("run") / cell_folder(name, 1, number))


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


def test_a_log_gets_a_line_after_a_while_in_which_nothing_else_appeared(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    shown = display(clock=clock)
    for number, name in enumerate(("one", "two"), start=1):
        shown.begin(attempt(name), number, 3)
    shown.phase(attempt("one"), "transfer")
    clock.now_s = HEARTBEAT_S - 1
    shown.beat()
    assert capsys.readouterr() == ("", "")
    clock.now_s = HEARTBEAT_S
    for _ in range(3):
        shown.beat()
    line = "testbed: 0/3 cells, 2 running, 0:30 elapsed; one: transferring 30.0 s  written 0 B  read 0 B\n"
    assert capsys.readouterr() == ("", line)
    clock.now_s += HEARTBEAT_S - 1
    shown.show(["1/3  passed"])
    clock.now_s += 1
    shown.beat()
    assert capsys.readouterr() == ("1/3  passed\n", "")
    clock.now_s += HEARTBEAT_S
    shown.beat()
    assert capsys.readouterr().err.startswith("testbed: 0/3 cells, 2 running, 1:30 elapsed")


def test_a_single_cell_has_a_heartbeat_once_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    shown = display(clock=clock)
    clock.now_s = 2 * HEARTBEAT_S
    shown.beat()
    assert capsys.readouterr().err == ""
    shown.begin(ATTEMPT, 1, 1)
    shown.phase(ATTEMPT, "transfer")
    clock.now_s += 5
    shown.beat()
    assert capsys.readouterr().err == "testbed: transferring     5.0 s  written 0 B  read 0 B  unread 0 B\n"


def test_the_heart_beats_while_a_run_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = Event()
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    shown = display()
    monkeypatch.setattr(shown, "beat", beaten.set)
    with shown.live():
        assert beaten.wait(30)
    quiet = display(quiet=True)
    monkeypatch.setattr(quiet, "beat", lambda: pytest.fail("a quiet run prints nothing"))
    with quiet.live():
        pass


class Terminal(StringIO):
    """Standard output and standard error on one terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def on_a_terminal(monkeypatch: pytest.MonkeyPatch, shown: Display) -> Iterator[Terminal]:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", terminal)
    with shown.live():
        yield terminal


def test_results_appear_above_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes through the picture, which is cleared first; written beside it, they left its lines on the screen."""
    shown = display()
    calls: list[str] = []
    with on_a_terminal(monkeypatch, shown) as terminal:
        shown.begin(attempt("one"), 1, 2)
        live: Any = shown._live
        monkeypatch.setattr(live.console, "print", lambda text, **_: calls.append(text))
        shown.show(["1/2  passed", "    verdict"])
        assert calls == ["1/2  passed\n    verdict"]
        assert "1/2  passed" not in terminal.getvalue()


def test_the_first_interruption_is_part_of_the_picture_until_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = display()
    assert not shown.announce("cells end"), "there is no picture"
    with on_a_terminal(monkeypatch, shown) as terminal:
        shown.begin(attempt("one"), 1, 2)
        assert shown.announce("cells end")
        assert shown._lines(24, 77)[:2] == ["cells end", "0/2 cells, 1 running, 0:00 elapsed"]
        shown.note("one line")
        assert shown._lines(24, 77)[0].startswith("0/2 cells")
    assert terminal.getvalue().index("cells end") < terminal.getvalue().index("testbed: one line")


def test_an_attempt_that_will_be_repeated_is_counted() -> None:
    shown = Display(quiet=False, verbose=0, on_end=lambda _attempt, _result: None, again=True, clock=Clock())
    for number, name in enumerate(("one", "two", "three"), start=1):
        shown.begin(attempt(name), number, 3)
    shown.end(attempt("one"), result("one", timing_reliable=False))
    shown.end(attempt("two"), result("two"))
    assert "2/3 cells, 1 running, 1 to repeat" in shown._lines(24, 80)[0]
    shown.begin(attempt("one", 2), 3, 3)
    shown.end(attempt("one", 2), result("one", attempt=2, timing_reliable=False))
    assert "2/3 cells, 1 running, 1 repeated, 0:00" in shown._lines(24, 80)[0]


def test_a_long_step_of_a_build_has_a_heartbeat(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    shown = display(clock=clock)
    shown.build_progress("cserver: cc -O2")
    clock.now_s = HEARTBEAT_S
    shown.beat()
    assert capsys.readouterr().err == "testbed: cserver: cc -O2    30.0 s\n"


def test_what_an_earlier_process_leaves_to_be_repeated_is_counted() -> None:
    shown = display()
    shown.repeat(["one", "two"])
    shown.begin(attempt("one", 2), 2, 2)
    assert shown._lines(24, 80)[0].startswith("2/2 cells, 1 running, 2 to repeat")
    shown.end(attempt("one", 2), result("one", attempt=2))
    shown.begin(attempt("two", 2), 2, 2)
    assert shown._lines(24, 80)[0].startswith("2/2 cells, 1 running, 1 repeated, 1 to repeat")
