"""Run lanes: those of one track one after another, the tracks at the same time.

Each lane has a process group of its own, so that an interruption reaches all that it has started, and only once. Its
output is kept and shown in the order of the lanes: while it runs when its turn has come, otherwise later.
"""

import contextlib
import io
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parents[1]
CHECKS: Final = "checks"
INTERRUPTED: Final = 130
BLOCK_BYTES: Final = 1 << 16
LOCKS: Final = "TESTBED_TEST_LOCKS"
"""The folder of the lock by which tests of all lanes share the machine (tests/support/machine_lock.py)."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Hold one command, which passes if its exit code is 0; with `prints`, its output is shown also if it passes."""

    name: str
    argv: tuple[str, ...]
    prints: bool = False
    docker: bool = False
    track: str = CHECKS


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold the exit code of a lane, its duration, and the processor time of its processes (not of its containers)."""

    lane: Lane
    status: int
    took_s: float
    cpu_s: float

    def __str__(self) -> str:
        """Return the line of the summary."""
        verdict = "ok" if self.status == 0 else "FAILED"
        return f"{self.lane.name:<16} {verdict:<7} {self.took_s:6.1f} s  {self.cpu_s:6.1f} s CPU"


class Output:
    """The output of one lane: kept until it is shown, then passed through."""

    def __init__(self, sink: IO[str]) -> None:
        self._sink = sink
        self._kept: list[str] = []
        self._shown = False
        self._lock = threading.Lock()

    def add(self, text: str) -> None:
        """Take the next part."""
        with self._lock:
            if self._shown:
                self._write(text)
            else:
                self._kept.append(text)

    def show(self) -> None:
        """Write what there is, and from now on everything at once."""
        with self._lock:
            self._shown = True
            self._write("".join(self._kept))
            self._kept.clear()

    @property
    def kept(self) -> str:
        """Return what is not shown yet."""
        with self._lock:
            return "".join(self._kept)

    def _write(self, text: str) -> None:
        self._sink.write(text)
        self._sink.flush()


class Children:
    """The running commands; once interrupted, none begins any more."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ | dict(environment or {})
        self._running: set[int] = set()
        self._lock = threading.Lock()
        self.interrupted = False

    def run(self, argv: Sequence[str], output: Output) -> tuple[int, float]:
        """Run a command; return its exit code (negative: the signal) and the processor time of its processes."""
        with self._lock:
            if self.interrupted:
                return INTERRUPTED, 0.0
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,  # a background process group must not read the terminal
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
            self._running.add(process.pid)
        assert process.stdout is not None
        with process.stdout as pipe:
            while data := os.read(pipe.fileno(), BLOCK_BYTES):
                output.add(data.decode(errors="replace"))
        _, status, usage = os.wait4(process.pid, 0)
        with self._lock:
            self._running.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
        return process.returncode, usage.ru_utime + usage.ru_stime

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all that runs, and begin nothing any more."""
        with self._lock:
            self.interrupted = True
            for pid in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)


def run_lane(lane: Lane, output: Output, children: Children) -> Outcome:
    """Run one lane; of one that does not print, the command and its output are shown if it fails."""
    began_s = time.monotonic()
    own = output
    if lane.prints:
        output.add(f"\n{lane.name}\n")
    else:
        own = Output(io.StringIO())
    status, cpu_s = children.run(lane.argv, own)
    if own is not output and status and not children.interrupted:
        output.add(f"\n{' '.join(lane.argv)}\n{own.kept}\n")
    return Outcome(lane, status, time.monotonic() - began_s, cpu_s)


class LaneRun:
    """One run of lanes; `run` runs a single one."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        run: Callable[[Lane, Output, Children], Outcome],
        environment: Mapping[str, str],
    ) -> None:
        """`environment` is added to that of the commands."""
        self._lanes = lanes
        self._run = run
        self._outputs = {lane.name: Output(sys.stdout) for lane in lanes}
        self._outcomes: dict[str, Outcome] = {}
        self._children = Children(environment)
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __call__(self) -> int:
        """Run them, print the summary, return the exit code; a second interruption kills what still runs."""
        began_s, busy_before_s = time.monotonic(), busy_s()
        tracks = dict.fromkeys(lane.track for lane in self._lanes)
        threads = [threading.Thread(target=self._run_track, args=(track,)) for track in tracks]
        for number in (signal.SIGINT, signal.SIGTERM):  # the main thread never leaves the loop below
            signal.signal(number, lambda *_: self._ended.put(""))
        try:
            for thread in threads:
                thread.start()
            self._show_in_order()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        for thread in threads:
            thread.join()
        return self._summary(time.monotonic() - began_s, busy_s() - busy_before_s)

    def _run_track(self, track: str) -> None:
        for lane in self._lanes:
            if lane.track == track:
                self._outcomes[lane.name] = self._run(lane, self._outputs[lane.name], self._children)
                self._ended.put(lane.name)

    def _show_in_order(self) -> None:
        for lane in self._lanes:
            self._outputs[lane.name].show()
            while lane.name not in self._outcomes:
                if not self._ended.get():
                    self._interrupt()

    def _interrupt(self) -> None:
        again = self._children.interrupted
        print("\nkilling the lanes" if again else "\nending the lanes; once more kills them", flush=True)
        self._children.send(signal.SIGKILL if again else signal.SIGINT)

    def _summary(self, took_s: float, used_s: float) -> int:
        outcomes = [self._outcomes[lane.name] for lane in self._lanes]
        failed = [outcome for outcome in outcomes if outcome.status]
        print("", *outcomes, sep="\n")
        verdict = f"{len(failed)} of {len(outcomes)} lanes failed" if failed else f"all {len(outcomes)} lanes ok"
        if self._children.interrupted:
            verdict = "interrupted"
        processors = os.cpu_count() or 1
        share = used_s / max(took_s * processors, 1e-9)
        print(f"{verdict}, {took_s:.0f} s; the machine was {share:.0%} busy ({processors} processors)", flush=True)
        return INTERRUPTED if self._children.interrupted else int(bool(failed))


def busy_s(stat: Path = Path("/proc/stat")) -> float:
    """Return the time that the machine's processors were busy since its boot; 0 where it does not report that."""
    try:
        fields = [int(field) for field in stat.read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def run_lanes(lanes: Sequence[Lane], run: Callable[[Lane, Output, Children], Outcome] = run_lane) -> int:
    """Run lanes, print their output in their order and a summary; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="testbed-lanes-") as folder:
        return LaneRun(lanes, run, {LOCKS: folder})()
