"""Follow the output and the exits of a cell's containers, and wait for events.

One thread per container copies its output to files and posts events to one mailbox. All waiting is on that mailbox, so
that every wait ends at once when any container of the cell exits; polling with pauses (tenacity) would notice it late.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from testbed.errors import DeadlineError, HostError
from testbed.run.folder import CappedFile
from testbed.run.sidecar import SidecarState
from testbed.run.stop import Stop, StoppedError
from testbed.stack.ports import Exit, Handle, Processes, Stream
from testbed.wire.text import visible

LOG_CAP_BYTES: Final = 256 << 20
"""A program may print a line for each of millions of chunks; the rest is dropped."""

TAIL_LINES: Final = 20
_LINE_CAP: Final = 4096
_PARTIAL_CAP: Final = 1 << 20


@dataclass(slots=True)
class Member:
    """One container of the cell, from outside."""

    name: str
    handle: Handle
    started: bool = False
    exit: Exit | None = None
    follow_error: HostError | None = None
    sidecar: SidecarState | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    @property
    def ended(self) -> bool:
        """Return whether it has exited, or can no longer be followed."""
        return self.exit is not None or self.follow_error is not None

    @property
    def done(self) -> bool:
        """Return whether it has exited or, for a sidecar, reported that all files are written."""
        return self.ended or (self.sidecar is not None and "stopped" in self.sidecar.recorded)


class _Lines:
    """Split a stream of bytes into lines of text; a line longer than the cap is truncated."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, partial = (self._partial + data).split(b"\n")
        self._partial = partial[:_PARTIAL_CAP]
        return [line.decode("utf-8", "replace") for line in lines]

    def finish(self) -> list[str]:
        return [self._partial.decode("utf-8", "replace")] if self._partial else []


@dataclass(frozen=True, slots=True)
class _Output:
    member: Member
    lines: list[str]


@dataclass(frozen=True, slots=True)
class _Stopped:
    """The run is to end."""


@dataclass(frozen=True, slots=True)
class _Exited:
    member: Member
    exit: Exit | None
    error: HostError | None


class Watch:
    """The members of one cell, their logs and their mailbox; `stop` ends what it waits for."""

    def __init__(
        self, processes: Processes, clock: Callable[[], float] = time.monotonic, stop: Stop | None = None
    ) -> None:
        self._processes = processes
        self._clock = clock
        self._mailbox: queue.SimpleQueue[_Output | _Exited | _Stopped] = queue.SimpleQueue()
        self._expected: set[str] = set()
        self._files: list[tuple[str, CappedFile]] = []
        self._threads: list[threading.Thread] = []
        self.members: dict[str, Member] = {}
        self._stop = stop or Stop()
        self._end_subscription = self._stop.subscribe(lambda: self._mailbox.put(_Stopped()))
        self.on_change: Callable[[], None] = lambda: None

    def attach(self, name: str, handle: Handle, stdout: Path, stderr: Path, *, is_sidecar: bool) -> None:
        """Follow a container that is not started yet; its output goes to the two files."""
        member = Member(name, handle, sidecar=SidecarState() if is_sidecar else None)
        files = {"stdout": CappedFile(stdout, LOG_CAP_BYTES), "stderr": CappedFile(stderr, LOG_CAP_BYTES)}
        splitters: dict[str, _Lines] = {"stdout": _Lines(), "stderr": _Lines()}

        def output(stream: Stream, data: bytes) -> None:
            files[stream].write(data)
            self._post(member, stream, splitters[stream].feed(data))

        try:
            follow = self._processes.attach(handle, output)
        except BaseException:
            for file in files.values():
                file.close()
            raise

        def run() -> None:
            exited: _Exited
            try:
                exited = _Exited(member, follow(), None)
            except HostError as error:
                exited = _Exited(member, None, error)
            for stream in ("stdout", "stderr"):
                self._post(member, stream, splitters[stream].finish())
                files[stream].close()
            self._mailbox.put(exited)

        self._files += [(f"{name} {stream}", file) for stream, file in files.items()]
        self.members[name] = member
        thread = threading.Thread(target=run, name=f"follow-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _post(self, member: Member, stream: str, lines: list[str]) -> None:
        if not lines:
            return
        if member.sidecar is not None and stream == "stdout":
            self._mailbox.put(_Output(member, lines))
        else:
            member.tail.extend(visible(line[:_LINE_CAP]) for line in lines[-TAIL_LINES:])

    def expect_exit(self, *names: str) -> None:
        """Accept the exit of these members from now on."""
        self._expected.update(names)

    def wait(self, what: str, done: Callable[[], bool], seconds: float, *, hint: str = "") -> None:
        """Wait until `done()`.

        Raises DeadlineError with `hint` after `seconds`, UnexpectedExitError as soon as a member exits whose exit is
        not expected, and StoppedError as soon as the run is to end.
        """
        deadline = self._clock() + seconds
        while not done():
            if self._stop.in_order:
                raise StoppedError
            self._raise_unexpected()
            left = deadline - self._clock()
            if left <= 0:
                raise DeadlineError(what, seconds, state=self._state(), hint=hint)
            self._receive(left)

    def wait_done(self, names: Iterable[str], seconds: float) -> list[str]:
        """Wait until these members are done; return those that are not after `seconds`.

        It waits also in a run that is to end, so that cells end in order.
        """
        names = list(names)
        self.expect_exit(*names)
        deadline = self._clock() + seconds
        while running := [name for name in names if not self.members[name].done]:
            left = deadline - self._clock()
            if left <= 0:
                return running
            self._receive(left)
        return []

    def _receive(self, seconds: float) -> None:
        try:
            message = self._mailbox.get(timeout=seconds)
        except queue.Empty:
            return
        if isinstance(message, _Stopped):
            return
        member = message.member
        if isinstance(message, _Exited):
            member.exit, member.follow_error = message.exit, message.error
        elif member.sidecar is not None:
            for line in message.lines:
                member.sidecar.feed(line)
        self.on_change()

    def _raise_unexpected(self) -> None:
        for member in self.members.values():
            if member.ended and member.name not in self._expected:
                raise UnexpectedExitError(member)

    def _state(self) -> str:
        parts = []
        for name, member in self.members.items():
            state = "is running" if member.started else "was not started"
            parts.append(f"{name} {state if member.exit is None else f'exited with code {member.exit.code}'}")
        return ", ".join(parts)

    def truncations(self) -> list[str]:
        """Return a sentence for each log that was truncated."""
        return [f"{name}: {file.dropped_bytes} bytes were dropped" for name, file in self._files if file.dropped_bytes]

    def close(self, seconds: float = 2.0) -> None:
        """Wait for the threads, which end when their containers are gone."""
        self._end_subscription()
        deadline = self._clock() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock()))


class UnexpectedExitError(Exception):
    """Report the member that exited unexpectedly."""

    def __init__(self, member: Member) -> None:
        super().__init__(f"{member.name} exited")
        self.member = member
