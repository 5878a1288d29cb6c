"""A session: one sidecar serves cell after cell, each in a process of its own, in the same network namespace.

This process has imported everything once and waits for commands on standard input. For a cell it forks, and the child
runs the supervisor exactly as in a sidecar of its own. When the child has ended, all that it started has ended, too:
this process adopts what a child leaves behind. The end of standard input ends the session: its orchestrator has died.
"""

import contextlib
import ctypes
import gc
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Protocol

from netem.contract.errors import SidecarError
from netem.contract.session import Begin, Command, Reset, Signal, decode_command, encode_reply

STDERR_FILE = Path("/run/netem.stderr")
_BLOCK_BYTES = 65_536
_STDERR_MAX_BYTES = 1 << 16
_END_S = 5.0
"""What a cell's process has started ends with it, or is killed after this time."""
_PR_SET_CHILD_SUBREAPER = 36
_HANDLED = (signal.SIGTERM,)


class ResetPort(Protocol):
    """What removes the traces of a cell."""

    def run(self, environment: Mapping[str, str]) -> list[str]:
        """Return a sentence for each trace that is left."""


class _IdleEndError(Exception):
    """A signal ends the session while no cell runs."""


class CommandLines:
    """Commands from a descriptor, one a line, in order."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = False
        self._partial = b""
        self._pending: deque[Command] = deque()

    def read(self) -> None:
        """Block until something arrives, or the descriptor ends. Raises SidecarError for what is no command."""
        block = os.read(self.fd, _BLOCK_BYTES)
        self.ended = not block
        *lines, self._partial = (self._partial + block).split(b"\n")
        self._pending += [decode_command(line) for line in lines]

    def take(self) -> Command | None:
        """Return the next command that has been read."""
        return self._pending.popleft() if self._pending else None


class Session:
    """Serve cells: `run_cell` is called in a forked process and returns its exit code."""

    def __init__(
        self,
        commands: CommandLines,
        write: Callable[[str], object],
        run_cell: Callable[[Mapping[str, str]], int],
        reset: ResetPort,
        *,
        stderr_file: Path = STDERR_FILE,
    ) -> None:
        self._commands = commands
        self._write = write
        self._run_cell = run_cell
        self._reset = reset
        self._stderr_file = stderr_file
        self._environment: Mapping[str, str] = {}
        self._child = 0

    def run(self) -> int:
        """Serve until standard input ends or SIGTERM arrives; return the exit code."""
        adopt_orphans()
        signal.signal(signal.SIGTERM, self._on_term)
        # Pages that no collection touches are shared with every child.
        gc.freeze()
        with contextlib.suppress(_IdleEndError):
            self._serve_all()
        return 0

    def _serve_all(self) -> None:
        self._write(encode_reply("open"))
        while not self._commands.ended:
            match self._commands.take():
                case None:
                    self._commands.read()
                case Begin(environment):
                    self._serve(environment)
                case Reset():
                    self._write(encode_reply("reset", left=self._reset.run(self._environment)))
                case Signal():
                    pass  # the process that it was meant for has just ended

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        if not self._child:
            raise _IdleEndError
        self._commands.ended = True
        os.kill(self._child, signal.SIGTERM)

    def _serve(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        # A signal between the fork and the child's own handlers must not run the handler of this process there.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        self._child = os.fork()
        if not self._child:
            self._be_the_child(environment)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        ended = os.pidfd_open(self._child)
        try:
            self._forward_signals(ended)
        finally:
            os.close(ended)
        code = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        self._child = 0
        killed = end_orphans(_END_S)
        left = [f"{killed} processes had to be killed"] if killed else []
        self._write(
            encode_reply(
                "ended", code=code if code >= 0 else 128 - code, stderr=read_stderr(self._stderr_file), left=left
            )
        )

    def _forward_signals(self, ended: int) -> None:
        """Return when the cell's process has ended; the end of standard input ends it."""
        poller = select.poll()
        poller.register(ended, select.POLLIN)
        poller.register(self._commands.fd, select.POLLIN)
        while True:
            while (command := self._commands.take()) is not None:
                if not isinstance(command, Signal):
                    raise SidecarError("run a command", "a cell still runs", "await the reply `ended`")
                os.kill(self._child, signal.Signals[command.name])
            if ended in dict(poller.poll()):
                return
            self._commands.read()
            if self._commands.ended:
                poller.unregister(self._commands.fd)
                os.kill(self._child, signal.SIGTERM)

    def _be_the_child(self, environment: Mapping[str, str]) -> None:
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            self._replace_descriptors()
            code = self._run_cell(environment)
        except BaseException:  # the last thing that this process does is to report it
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _replace_descriptors(self) -> None:
        """Take standard input away, which has commands for the session, and separate standard error by cell."""
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(null, self._commands.fd)
        stderr = os.open(self._stderr_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(stderr, 2)


def read_stderr(file: Path = STDERR_FILE) -> str:
    """Return what the process of the current cell has printed on standard error, up to a limit."""
    with contextlib.suppress(OSError), file.open("rb") as opened:
        return opened.read(_STDERR_MAX_BYTES).decode(errors="replace")
    return ""


def adopt_orphans() -> None:
    """Make the processes that a child leaves behind children of this one. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def end_orphans(timeout_s: float) -> int:
    """Wait until all children have ended; kill those that have not after the timeout, and return their number."""
    deadline_s = time.monotonic() + timeout_s
    killed = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return killed
        if pid:
            continue
        children = _children()
        if time.monotonic() >= deadline_s:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            killed += len(children)
            deadline_s += timeout_s
        _await_one(children, deadline_s)


def _children() -> list[int]:
    me = os.getpid()
    return [int(word) for word in Path(f"/proc/{me}/task/{me}/children").read_text().split()]


def _await_one(pids: list[int], deadline_s: float) -> None:
    """Wait until one of these children has ended, at most until the deadline."""
    with contextlib.ExitStack() as opened:
        poller = select.poll()
        for pid in pids:
            fd = os.pidfd_open(pid)  # not reaped yet, so the id is its own
            opened.callback(os.close, fd)
            poller.register(fd, select.POLLIN)
        poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
