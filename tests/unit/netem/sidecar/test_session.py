"""Sessions with real processes, in a process of their own: it adopts orphans and ends with `os._exit`."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from netem.contract.session import Begin, Command, Reset, Signal, encode_command

PROGRAM = """
    import json, os, signal, sys
    from pathlib import Path
    from netem.sidecar.session import CommandLines, Session
    from netem.system.output import write_stdout

    def emit(**facts):
        write_stdout(json.dumps(facts) + "\\n")

    def run_cell(environment):
        exec(environment["CODE"])
        return int(environment.get("RETURN", "0"))

    class Reset:
        def run(self, environment):
            return [f"left by {environment['NAME']}"] if "NAME" in environment else []

    sys.exit(Session(CommandLines(0), write_stdout, run_cell, Reset(), stderr_file=Path(sys.argv[1])).run())
"""
WAIT = "emit(event='ready'); signal.pause()"


class Running:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout

    def send(self, *commands: Command) -> None:
        self.stdin.write(b"".join(map(encode_command, commands)))
        self.stdin.flush()

    def line(self) -> dict[str, Any]:
        line = self.stdout.readline()
        assert line, "the session has ended"
        document: dict[str, Any] = json.loads(line)
        return document

    def ended(self) -> dict[str, Any]:
        while (line := self.line()).get("session") != "ended":
            pass
        return line


@contextmanager
def session(tmp_path: Path) -> Iterator[Running]:
    argv = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / "stderr")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        running = Running(process)
        assert running.line() == {"session": "open"}
        yield running
        running.stdin.close()
        assert process.wait(30) == 0


def test_each_cell_has_a_process_of_its_own(tmp_path: Path) -> None:
    code = "emit(pid=os.getpid()); sys.modules['spoilt'] = 1"
    with session(tmp_path) as running:
        pids = []
        for _ in range(2):
            running.send(Begin({"CODE": f"assert 'spoilt' not in sys.modules; {code}"}))
            pids.append(running.line()["pid"])
            assert running.ended() == {"session": "ended", "code": 0, "stderr": "", "left": []}
    assert len({*pids, running.process.pid}) == 3


def test_the_exit_code_and_standard_error_are_those_of_the_cell(tmp_path: Path) -> None:
    with session(tmp_path) as running:
        running.send(Begin({"CODE": "os.write(2, b'oh')", "RETURN": "7"}))
        assert running.ended() == {"session": "ended", "code": 7, "stderr": "oh", "left": []}
        running.send(Begin({"CODE": "1 / 0"}))
        failed = running.ended()
        assert failed["code"] == 1
        assert "ZeroDivisionError" in failed["stderr"]
        running.send(Begin({"CODE": "os.kill(os.getpid(), signal.SIGKILL)"}))
        assert running.ended() == {"session": "ended", "code": 137, "stderr": "", "left": []}


def test_a_cell_cannot_read_the_commands(tmp_path: Path) -> None:
    with session(tmp_path) as running:
        running.send(Begin({"CODE": "assert os.read(0, 1) == b''"}))
        assert running.ended()["code"] == 0


def test_a_signal_reaches_the_cell_also_in_the_same_block_as_its_begin(tmp_path: Path) -> None:
    with session(tmp_path) as running:
        running.send(Begin({"CODE": WAIT}), Signal("SIGTERM"))
        assert running.ended()["code"] == 128 + signal.SIGTERM
        running.send(Begin({"CODE": WAIT}))
        assert running.line() == {"event": "ready"}
        running.send(Signal("SIGKILL"))
        assert running.ended()["code"] == 128 + signal.SIGKILL
        running.send(Signal("SIGTERM"), Begin({"CODE": "pass"}))
        assert running.ended()["code"] == 0


def test_what_a_cell_leaves_behind_has_ended_before_it(tmp_path: Path) -> None:
    orphan = tmp_path / "orphan"
    code = f"os.fork() or (signal.alarm(0), Path({str(orphan)!r}).write_text(str(os.getpid())))"
    with session(tmp_path) as running:
        running.send(Begin({"CODE": code}))
        assert running.ended()["left"] == []
        pid = int(orphan.read_text())
        assert not Path(f"/proc/{pid}").exists()


def test_the_reset_names_what_the_last_cell_left(tmp_path: Path) -> None:
    with session(tmp_path) as running:
        running.send(Begin({"CODE": "pass", "NAME": "a"}))
        running.ended()
        running.send(Reset())
        assert running.line() == {"session": "reset", "left": ["left by a"]}


@pytest.mark.parametrize(
    "end",
    [lambda running: running.stdin.close(), lambda running: os.kill(running.process.pid, signal.SIGTERM)],
    ids=["end of input", "SIGTERM"],
)
@pytest.mark.parametrize("code", ["", WAIT], ids=["idle", "busy"])
def test_it_ends_with_its_input_or_by_a_signal_and_its_cell_before(
    tmp_path: Path, end: Callable[[Running], object], code: str
) -> None:
    with session(tmp_path) as running:
        if code:
            running.send(Begin({"CODE": code}))
            assert running.line() == {"event": "ready"}
        end(running)
        last = running.stdout.read()
        assert running.process.wait(30) == 0
        assert last == (b"" if not code else b'{"session":"ended","code":143,"stderr":"","left":[]}\n')
