"""Follow the output and the end of a cell's containers, and wait for what one of them does.

One thread a container reads its output into files and posts what matters to one mailbox; the waiting is done in one
place, so that every wait sees at once that any container of the cell has ended.
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
from testbed.stack.ports import Exit, Handle, Processes, Stream
from testbed.wire.text import visible

LOG_CAP_BYTES: Final = 256 << 20
"""A program may print a line for each of millions of chunks; more than this helps nobody."""

TAIL_LINES: Final = 20
_LINE_CAP: Final = 4096
_REST_CAP: Final = 1 << 20


@dataclass(slots=True)
class Member:
    """One container of the cell as seen from outside."""

    name: str
    handle: Handle
    started: bool = False
    exit: Exit | None = None
    trouble: HostError | None = None
    sidecar: SidecarState | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    @property
    def ended(self) -> bool:
        """Return whether it has ended, or cannot be followed any more."""
        return self.exit is not None or self.trouble is not None

    @property
    def done(self) -> bool:
        """Return whether it has ended or, of a sidecar, said that all is written; its end takes the engine longer."""
        return self.ended or (self.sidecar is not None and "stopped" in self.sidecar.recorded)


class _Lines:
    """Cut a stream of bytes into lines of text; a line longer than its cap is cut short."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_REST_CAP]
        return [line.decode("utf-8", "replace") for line in lines]

    def end(self) -> list[str]:
        return [self._rest.decode("utf-8", "replace")] if self._rest else []


@dataclass(frozen=True, slots=True)
class _Said:
    member: Member
    lines: list[str]


@dataclass(frozen=True, slots=True)
class _Ended:
    member: Member
    exit: Exit | None
    trouble: HostError | None


class Watch:
    """The members of one cell, their logs and their mailbox."""

    def __init__(self, processes: Processes, clock: Callable[[], float] = time.monotonic) -> None:
        self._processes = processes
        self._clock = clock
        self._mailbox: queue.SimpleQueue[_Said | _Ended] = queue.SimpleQueue()
        self._expected: set[str] = set()
        self._files: list[tuple[str, CappedFile]] = []
        self._threads: list[threading.Thread] = []
        self.members: dict[str, Member] = {}
        self.on_change: Callable[[], None] = lambda: None

    def attach(self, name: str, handle: Handle, stdout: Path, stderr: Path, *, is_sidecar: bool) -> None:
        """Follow a container that is not started yet; its output goes to the two files."""
        member = Member(name, handle, sidecar=SidecarState() if is_sidecar else None)
        files = {"stdout": CappedFile(stdout, LOG_CAP_BYTES), "stderr": CappedFile(stderr, LOG_CAP_BYTES)}
        cutters: dict[str, _Lines] = {"stdout": _Lines(), "stderr": _Lines()}

        def output(stream: Stream, data: bytes) -> None:
            files[stream].write(data)
            self._say(member, stream, cutters[stream].feed(data))

        follow = self._processes.attach(handle, output)

        def run() -> None:
            ended: _Ended
            try:
                ended = _Ended(member, follow(), None)
            except HostError as error:
                ended = _Ended(member, None, error)
            for stream in ("stdout", "stderr"):
                self._say(member, stream, cutters[stream].end())
                files[stream].close()
            self._mailbox.put(ended)

        self._files += [(f"{name} {stream}", file) for stream, file in files.items()]
        self.members[name] = member
        thread = threading.Thread(target=run, name=f"follow-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _say(self, member: Member, stream: str, lines: list[str]) -> None:
        if not lines:
            return
        if member.sidecar is not None and stream == "stdout":
            self._mailbox.put(_Said(member, lines))
        else:
            member.tail.extend(visible(line[:_LINE_CAP]) for line in lines[-TAIL_LINES:])

    def expect_end(self, *names: str) -> None:
        """Take the end of these members as no trouble from now on."""
        self._expected.update(names)

    def wait(self, what: str, done: Callable[[], bool], seconds: float, *, hint: str = "") -> None:
        """Wait until `done()`.

        Raises DeadlineError with `hint` after `seconds`, and UnexpectedEndError as soon as a member ends that
        should not.
        """
        deadline = self._clock() + seconds
        while not done():
            self._raise_unexpected()
            left = deadline - self._clock()
            if left <= 0:
                raise DeadlineError(what, seconds, state=self._state(), hint=hint)
            self._take(left)

    def wait_done(self, names: Iterable[str], seconds: float) -> list[str]:
        """Wait until these members are done; return those that are not after `seconds`."""
        names = list(names)
        self.expect_end(*names)
        deadline = self._clock() + seconds
        while running := [name for name in names if not self.members[name].done]:
            left = deadline - self._clock()
            if left <= 0:
                return running
            self._take(left)
        return []

    def _take(self, seconds: float) -> None:
        try:
            message = self._mailbox.get(timeout=seconds)
        except queue.Empty:
            return
        member = message.member
        if isinstance(message, _Ended):
            member.exit, member.trouble = message.exit, message.trouble
        elif member.sidecar is not None:
            for line in message.lines:
                member.sidecar.take(line)
        self.on_change()

    def _raise_unexpected(self) -> None:
        for member in self.members.values():
            if member.ended and member.name not in self._expected:
                raise UnexpectedEndError(member)

    def _state(self) -> str:
        parts = []
        for name, member in self.members.items():
            state = "runs" if member.started else "has not been started"
            parts.append(f"{name} {state if member.exit is None else f'ended with {member.exit.code}'}")
        return ", ".join(parts)

    def flaws(self) -> list[str]:
        """Return a sentence for each log that was cut."""
        return [f"{name}: {file.dropped_bytes} bytes were left out" for name, file in self._files if file.dropped_bytes]

    def close(self, seconds: float = 2.0) -> None:
        """Let the threads end, which they do when their containers are gone."""
        deadline = self._clock() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock()))


class UnexpectedEndError(Exception):
    """Carry the member that ended although it should not have."""

    def __init__(self, member: Member) -> None:
        super().__init__(f"{member.name} ended")
        self.member = member
