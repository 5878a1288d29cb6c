from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.errors import DeadlineError, HostError
from testbed.run.watch import TAIL_LINES, Member, UnexpectedExitError, Watch, _Lines
from testbed.stack.ports import Exit, Handle, Stream

HANDLE = Handle("container", "id", "name")
Script = Callable[[Callable[[Stream, bytes], None]], Exit]


class Processes:
    def __init__(self, script: Script) -> None:
        self.script = script

    def attach(self, handle: Handle, output: Callable[[Stream, bytes], None]) -> Callable[[], Exit]:
        return lambda: self.script(output)

    def start(self, handle: Handle) -> None: ...

    def kill(self, handle: Handle, signal: str) -> None: ...


def watching(folder: Path, script: Script, *, is_sidecar: bool = False) -> Watch:
    watch = Watch(Processes(script))
    watch.attach("one", HANDLE, folder / "out", folder / "err", is_sidecar=is_sidecar)
    return watch


def test_output_goes_to_files_and_its_tail_is_kept(tmp_path: Path) -> None:
    def script(output: Callable[[Stream, bytes], None]) -> Exit:
        for number in range(100):
            output("stdout", f"line {number}\nhalf ".encode())
        output("stderr", b"\xffend")
        return Exit(3)

    watch = watching(tmp_path, script)
    assert watch.wait_done(["one"], 30) == []
    member = watch.members["one"]
    assert member.exit == Exit(3)
    assert len(member.tail) == TAIL_LINES
    assert list(member.tail)[-2:] == ["half ", "\ufffdend"]
    assert (tmp_path / "out").read_bytes().startswith(b"line 0\nhalf line 1\n")
    assert (tmp_path / "err").read_bytes() == b"\xffend"


def test_control_characters_are_in_the_file_only(tmp_path: Path) -> None:
    def script(output: Callable[[Stream, bytes], None]) -> Exit:
        output("stderr", b"\x1b]0;mine\x07\r\n")
        return Exit(0)

    watch = watching(tmp_path, script)
    watch.wait_done(["one"], 30)
    assert list(watch.members["one"].tail) == [r"\x1b]0;mine\x07\x0d"]
    assert (tmp_path / "err").read_bytes() == b"\x1b]0;mine\x07\r\n"


def test_an_unexpected_exit_ends_every_wait(tmp_path: Path) -> None:
    watch = watching(tmp_path, lambda _output: Exit(1))
    with pytest.raises(UnexpectedExitError) as caught:
        watch.wait("something", lambda: False, 30)
    assert caught.value.member.name == "one"


def test_a_deadline_error_names_the_running_members(tmp_path: Path) -> None:
    watch = watching(tmp_path, lambda _output: Exit(0))
    assert watch.wait_done(["one"], 30) == []
    watch.members |= {"two": Member("two", HANDLE, started=True), "three": Member("three", HANDLE)}
    message = "waited 0 s for rain; one exited with code 0, two is running, three was not started"
    with pytest.raises(DeadlineError, match=message):
        watch.wait("rain", lambda: False, 0)


def test_events_of_a_sidecar_reach_its_state(tmp_path: Path) -> None:
    def script(output: Callable[[Stream, bytes], None]) -> Exit:
        output("stdout", b'{"event": "rea')
        output("stdout", b'dy"}\n{"event": "listening", "families": ["ipv4"]}\n')
        return Exit(0)

    watch = watching(tmp_path, script, is_sidecar=True)
    changes: list[int] = []
    watch.on_change = lambda: changes.append(1)
    state = watch.members["one"].sidecar
    assert state is not None
    watch.expect_exit("one")
    watch.wait("it to listen", lambda: bool(state.listening), 30)
    assert state.ready
    assert changes


def test_a_sidecar_is_done_when_it_reports_it(tmp_path: Path) -> None:
    def script(output: Callable[[Stream, bytes], None]) -> Exit:
        output("stdout", b'{"event": "stopped"}\n')
        return Exit(0)

    watch = watching(tmp_path, script, is_sidecar=True)
    assert watch.wait_done(["one"], 30) == []
    assert watch.members["one"].done


def test_a_container_that_cannot_be_followed_counts_as_ended(tmp_path: Path) -> None:
    def script(_output: Callable[[Stream, bytes], None]) -> Exit:
        raise HostError("follow name: connection lost")

    watch = watching(tmp_path, script)
    with pytest.raises(UnexpectedExitError) as caught:
        watch.wait("something", lambda: False, 30)
    assert caught.value.member.follow_error is not None


def test_a_truncated_log_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.run.watch.LOG_CAP_BYTES", 4)

    def script(output: Callable[[Stream, bytes], None]) -> Exit:
        output("stdout", b"123456")
        return Exit(0)

    watch = watching(tmp_path, script)
    watch.wait_done(["one"], 30)
    assert watch.truncations() == ["one stdout: 2 bytes were dropped"]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_lines_whatever_the_chunks(size: int) -> None:
    data = "ä\n\nlast line without end".encode()
    splitter = _Lines()
    lines = [line for start in range(0, len(data), size) for line in splitter.feed(data[start : start + size])]
    assert lines + splitter.finish() == ["ä", "", "last line without end"]
