"""Run the programs on the loopback: a server as a context, a client to its end."""

import errno
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.wire_vectors import Vector

DEADLINE_S = 30.0
"""For everything, also the end of a program after a signal: its contract is a second (benchmarks/bench_peers.py)."""
_POLL_S = 0.005
PY_CLIENT = (sys.executable, "-m", "testbed.peer.client")
PY_SERVER = (sys.executable, "-m", "testbed.peer.server")
LOOPBACK = {"ipv4": "127.0.0.1", "ipv6": "::1"}
EVENTS_HEADER = "op,start_ns,end_ns,bytes,total_bytes"


@dataclass
class Ended:
    """A program that has ended."""

    status: int
    out: str
    err: str


class Running:
    """A running program; its output goes to files, so that it never blocks."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        number = len(list(folder.glob("*.out")))
        self._out = folder / f"{number}.out"
        self._err = folder / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8")

    def wait_for(self, pattern: str, *, where: str = "err") -> re.Match[str]:
        """Wait until the pattern appears in its output."""
        deadline_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline_s:
            if found := re.search(pattern, getattr(self, where)):
                return found
            try:
                self.process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
            if found := re.search(pattern, getattr(self, where)):
                return found
            break
        raise AssertionError(f"{pattern!r} is not in {where}:\n{getattr(self, where)}\n{self.err}")

    def stop(self, number: int = signal.SIGTERM) -> Ended:
        """Send the signal, wait for the end."""
        self.process.send_signal(number)
        return self.join()

    def join(self) -> Ended:
        """Wait for the end."""
        return Ended(self.process.wait(DEADLINE_S), self.out, self.err)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Server(Running):
    """A server, listening."""

    def __init__(self, command: Sequence[str | Path], options: Sequence[str], folder: Path) -> None:
        super().__init__([*command, "--port", "0", *options], folder)
        self.port = int(self.wait_for(r"server: listening on \S+ port (\d+) over \w+\n")[1])

    def connect(self, family: str = "ipv4") -> socket.socket:
        return socket.create_connection((LOOPBACK[family], self.port), timeout=DEADLINE_S)

    def give(self, stream: bytes) -> None:
        """Send a stream as a client does, and wait for the close."""
        with self.connect() as sock:
            try:
                sock.sendall(stream)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
                    raise
                return  # it did not want to read to the end


@contextmanager
def running(command: Sequence[str | Path], folder: Path) -> Iterator[Running]:
    program = Running(command, folder)
    try:
        yield program
    finally:
        program.kill()


@contextmanager
def serving(command: Sequence[str | Path], folder: Path, *options: str) -> Iterator[Server]:
    server = Server(command, options, folder)
    try:
        yield server
    finally:
        server.kill()


def run(command: Sequence[str | Path], folder: Path, *arguments: str) -> Ended:
    """Run a program to its end."""
    with running([*command, *arguments], folder) as program:
        return program.join()


def listed_options(vector: Vector) -> tuple[str, ...]:
    """Return the options that make a server the receiver that a vector describes."""
    caps = (f"--{key.replace('_', '-')}={value}" for key, value in sorted(vector.caps.items()))
    return (f"--repeat={vector.lists}", *caps)


def read_events(path: Path) -> list[tuple[str, int, int, int, int]]:
    """Return the events of a log; AssertionError if it is incomplete."""
    return parse_events(path.read_text())


def parse_events(text: str) -> list[tuple[str, int, int, int, int]]:
    """Return the events of the text of a log; AssertionError if it is incomplete."""
    assert text.endswith("\n")
    first, header, *lines = text.splitlines()
    assert re.fullmatch(r"# realtime_offset_ns=-?\d+", first)
    assert header == EVENTS_HEADER
    events = []
    total = 0
    for line in lines:
        op, *numbers = line.split(",")
        start_ns, end_ns, size, total_bytes = map(int, numbers)
        total += size
        assert start_ns <= end_ns
        assert total_bytes == total
        assert not events or events[-1][2] <= start_ns
        events.append((op, start_ns, end_ns, size, total_bytes))
    return events
