"""Run one cell: create, start in order, wait, stop, collect, remove.

Order: both sidecars start while the engine creates the endpoints; when the server's is ready the server starts; when a
socket listens and the client's sidecar has verified the link, the client starts. The cell ends when the client has
exited and no connection is left in the server's namespace. The raw files are collected also when something fails.
"""

import contextlib
import time
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from testbed.errors import (
    CapabilityError,
    DeadlineError,
    DiskFullError,
    EndpointError,
    EngineLostError,
    HostError,
    TestbedError,
)
from testbed.ownership import ResourceLabels
from testbed.result import Failure, ProgramExit
from testbed.run.contract import SIDECAR_DEADLINE_S
from testbed.run.sidecar import SidecarState
from testbed.run.stop import Stop, StoppedError
from testbed.run.watch import Member, UnexpectedExitError, Watch
from testbed.scenario.ends import ROLES
from testbed.stack.cell import SHARED, CellStack, EndpointSpec, cell_stack, start_container
from testbed.stack.collect import extract
from testbed.stack.ports import CellEngine, Handle, Runtime

READY_S: Final = SIDECAR_DEADLINE_S + 15.0
"""A sidecar has its own deadline; the additional time is for starting it on a loaded machine."""

LISTEN_S: Final = 20.0
STOP_S: Final = 10.0
"""A program must exit within a second of SIGTERM; a loaded machine gets ten."""

MERGE_S: Final = 120.0
"""A sidecar sorts its capture when it stops: seconds for a million frames, and the cap allows 7 million."""

FAST_STOP_S: Final = 3.0
"""The same when the cell has failed or was interrupted: the user waits for the prompt."""

IDLE_S: Final = 20.0
"""A connection may outlive the client that opened it; it has the remaining time of the cell, and at least this much."""

ROOT_CAUSE_WAIT_S: Final = 0.3
"""How much later than its consequence a causing exit may be reported."""

MORE_TIME: Final = "increase the deadline with --timeout, or with the field timeout of a scenario file"

KILLED: Final = 128 + 9
"""Exit code of a container whose process SIGKILL has ended."""

Keep = Literal["never", "failed", "always"]


class Observer(Protocol):
    """The observer of a cell's progress."""

    def phase(self, name: str) -> None:
        """Observe that the cell has reached this phase."""

    def progress(self, bytes_written: int, bytes_read: int) -> None:
        """Observe the progress of the transfer."""


@dataclass(slots=True)
class CellOutcome:
    """What happened in a cell, in addition to the raw files in its folder."""

    exits: dict[str, ProgramExit] = field(default_factory=dict)
    failure: Failure | None = None
    sidecars: dict[str, dict[str, object]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    phases_s: dict[str, float] = field(default_factory=dict)
    machine: dict[str, object] = field(default_factory=dict)
    kept: bool = False
    left: bool = False
    """A resource could not be removed."""

    engine_lost: bool = False
    """The container engine was no longer reachable."""

    disk_full: DiskFullError | None = None
    """Of the first file that could not be written because the disk is full; the others follow from it."""

    def note_disk_full(self, error: Exception) -> None:
        """Remember an error if it is the first one of a full disk."""
        if self.disk_full is None and isinstance(error, DiskFullError):
            self.disk_full = error

    def restart(self) -> None:
        """Forget what happened before the cell is repeated; what is left behind stays so."""
        self.failure = None
        for observed in (self.exits, self.sidecars, self.notes, self.phases_s):
            observed.clear()


def _failure_of(error: TestbedError) -> Failure:
    if isinstance(error, EndpointError):
        return Failure(kind="endpoint", role=error.role, message=error.message)
    kind: Literal["timeout", "environment"] = "timeout" if isinstance(error, DeadlineError) else "environment"
    return Failure(kind=kind, message=error.message, hint=error.hint)


def interrupted() -> Failure:
    """Return the failure of a cell whose run was to end."""
    return Failure(kind="interrupted", message="the run was interrupted")


def _error_of(member: Member) -> TestbedError:
    if member.follow_error is not None:
        return member.follow_error
    exit_ = member.exit
    if member.sidecar is None:
        assert exit_ is not None
        return EndpointError(member.name, exit_.code, oom_killed=exit_.oom_killed, tail=list(member.tail))
    message, hint = member.sidecar.failure
    if not message:
        tail = "".join(f"\n  {line}" for line in member.tail)
        message = f"it exited{f' with code {exit_.code}' if exit_ else ''}{tail}"
    return HostError(f"the sidecar of the {member.name.removesuffix('-netem')}: {message}", hint=hint)


def _root_cause(watch: Watch, member: Member) -> Member:
    """Return the member whose exit caused this one: a sidecar's kills its endpoint, whose exit arrives first."""
    sidecar = watch.members.get(f"{member.name}-netem")
    if sidecar is None or member.exit is None or member.exit.code != KILLED:
        return member
    watch.wait_done([sidecar.name], ROOT_CAUSE_WAIT_S)
    return sidecar if sidecar.done else member


def _sidecar_failure(watch: Watch) -> Failure | None:
    """Return the error of a sidecar, also if it kept running until its endpoint exited, as with an open link."""
    failed = [member for member in watch.members.values() if member.sidecar is not None and member.sidecar.error]
    return _failure_of(_error_of(failed[0])) if failed else None


def _sidecar(watch: Watch, role: str) -> SidecarState:
    state = watch.members[f"{role}-netem"].sidecar
    assert state is not None
    return state


class CellRun:
    """One cell in progress; `timeout_scale` multiplies all timeouts except the transfer's."""

    def __init__(
        self,
        engine: CellEngine,
        folder: Path,
        observer: Observer,
        outcome: CellOutcome,
        *,
        clock: Callable[[], float] = time.monotonic,
        while_waiting: Callable[[], None] = lambda: None,
        timeout_scale: float = 1.0,
        stop: Stop | None = None,
    ) -> None:
        """`while_waiting` is called while only the sidecars are pending; it must return at once.

        `stop` ends the cell in order, with the failure `interrupted`.
        """
        self._engine = engine
        self._folder = folder
        self._observer = observer
        self._clock = clock
        self._while_waiting = while_waiting
        self._timeout_scale = timeout_scale
        self._real_time = False
        self._stop_request = stop or Stop()
        self.outcome = outcome

    def run(
        self,
        engine: Runtime,
        labels: ResourceLabels,
        endpoints: Mapping[str, EndpointSpec],
        netem_image: str,
        deadline_s: float,
        *,
        keep: Keep,
        tun: Callable[[], bool],
    ) -> None:
        """Run the cell on a new stack; every TestbedError becomes the outcome's failure once the sidecars exist.

        But not a CapabilityError: it is raised, whatever `keep` is, so that the cell can be repeated without real time.
        """
        opened = cell_stack(engine, labels, endpoints, netem_image, tun=tun, on_removal_error=self._note_left)
        real_time = any(spec.real_time for spec in endpoints.values())
        self.run_on(opened, deadline_s, keep=keep, real_time=real_time)

    def run_on(
        self, opened: AbstractContextManager[CellStack], deadline_s: float, *, keep: Keep, real_time: bool
    ) -> None:
        """Run the cell on a stack that is opened here; see `run`. With `real_time`, its sidecars request that."""
        self._real_time = real_time
        with closing(Watch(self._engine, self._clock, self._stop_request)) as watch, opened as stack:
            try:
                self._exchange(stack, watch, deadline_s)
            except UnexpectedExitError as exit_:
                self._fail(_error_of(_root_cause(watch, exit_.member)))
            except StoppedError:
                self.outcome.failure = interrupted()
            except CapabilityError:
                keep = "never"
                raise
            except TestbedError as error:
                self._fail(error)
            finally:
                self._wind_down(stack, watch, keep)

    def _fail(self, error: TestbedError) -> None:
        self.outcome.failure = _failure_of(error)
        self._look_at(error)

    def _look_at(self, error: TestbedError) -> None:
        """Remember what concerns more than this cell."""
        self.outcome.engine_lost |= isinstance(error, EngineLostError)
        self.outcome.note_disk_full(error)

    def _note_left(self, failure: HostError) -> None:
        self.outcome.left = True
        self._note(f"left behind: {failure.message}", failure)

    def _note(self, sentence: str, error: HostError) -> None:
        # Without an engine every attempt fails for the same reason.
        self._look_at(error)
        if isinstance(error, EngineLostError):
            sentence = f"the rest could not be collected or removed; hint: {error.hint}"
        if sentence not in self.outcome.notes:
            self.outcome.notes.append(sentence)

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._observer.phase(name)
        start = self._clock()
        try:
            yield
        finally:
            self.outcome.phases_s[name] = round(self._clock() - start, 6)

    def _exchange(self, stack: CellStack, watch: Watch, deadline_s: float) -> None:
        # Before any phase begins, so that an interruption leaves what the sidecars have printed.
        for role in ("server", "client"):
            self._attach(watch, f"{role}-netem", stack.sidecars[role])
        with ThreadPoolExecutor(2) as pool:
            with self._phase("link"):
                server_link, client_link = (
                    pool.submit(self._start, watch, f"{role}-netem") for role in ("server", "client")
                )
                for role in ("server", "client"):
                    self._attach(watch, role, stack.endpoints[role].result())
                self._while_waiting()
                server_link.result()
            with self._phase("verify"):
                self._bring_up_server(watch)
                client_link.result()
                client = _sidecar(watch, "client")
                watch.wait("the client's sidecar to be ready", lambda: client.ready, READY_S * self._timeout_scale)
        self._transfer(watch, deadline_s)

    def _bring_up_server(self, watch: Watch) -> None:
        sidecar = _sidecar(watch, "server")
        watch.wait("the server's sidecar to be ready", lambda: sidecar.ready, READY_S * self._timeout_scale)
        self._start(watch, "server")
        watch.wait("the server to listen", lambda: bool(sidecar.listening), LISTEN_S * self._timeout_scale)

    def _start(self, watch: Watch, name: str) -> None:
        member = watch.members[name]
        start_container(self._engine, member.handle, real_time=self._real_time and member.sidecar is not None)
        member.started = True

    def _attach(self, watch: Watch, name: str, handle: Handle) -> None:
        is_sidecar = name.endswith("-netem")
        folder = self._folder / name.removesuffix("-netem")
        stdout, stderr = ("netem.jsonl", "netem.log") if is_sidecar else ("stdout.log", "stderr.log")
        watch.attach(name, handle, folder / stdout, folder / stderr, is_sidecar=is_sidecar)

    def _transfer(self, watch: Watch, deadline_s: float) -> None:
        server, client = _sidecar(watch, "server"), _sidecar(watch, "client")
        watch.on_change = lambda: self._observer.progress(client.bytes_written, server.bytes_read)
        with self._phase("transfer"):
            watch.expect_exit("client")
            self._start(watch, "client")
            end_s = self._clock() + deadline_s
            watch.wait("the client to exit", lambda: watch.members["client"].ended, deadline_s, hint=MORE_TIME)
            self._check_client(watch)
            # The sidecar may have missed a short connection, so only its answer to a signal counts.
            idles = server.idles
            remaining_s = max(IDLE_S * self._timeout_scale, end_s - self._clock())
            self._engine.kill(watch.members["server-netem"].handle, "SIGUSR1")
            watch.wait("the last connection to end", lambda: server.idles > idles, remaining_s)

    def _check_client(self, watch: Watch) -> None:
        client, server = watch.members["client"], watch.members["server"]
        if client.exit is not None and client.exit.code == 0:
            return
        # A client fails when its server dies; the server's exit is then the root cause, and may arrive later.
        watch.wait_done(["server"], ROOT_CAUSE_WAIT_S)
        raise _error_of(_root_cause(watch, server if server.ended else client))

    def _wind_down(self, stack: CellStack, watch: Watch, keep: Keep) -> None:
        """Stop programs, then sidecars, then fetch the raw files; no error here ends the collecting early."""
        outcome = self.outcome
        failed = (outcome.failure or _sidecar_failure(watch)) is not None
        stack.kept = outcome.kept = keep == "always" or (keep == "failed" and failed)
        fast = failed or "transfer" not in outcome.phases_s
        with self._phase("collect"), ThreadPoolExecutor(len(ROLES)) as pool:
            early = self._stop_early(watch)
            self._stop(watch, [name for name in ROLES if name in watch.members], FAST_STOP_S if fast else STOP_S)
            sidecars = [f"{role}-netem" for role in ROLES if f"{role}-netem" in watch.members]
            self._stop(watch, sidecars, FAST_STOP_S if fast else MERGE_S, already_signalled=early)
            self._note_exits(watch)
            outcome.failure = outcome.failure or _sidecar_failure(watch)
            list(pool.map(lambda role: self._collect(stack, role), ROLES))
            if not stack.kept:
                stack.remove(stack.network)
        outcome.notes += watch.truncations()

    def _stop_early(self, watch: Watch) -> list[str]:
        """Send SIGTERM to the sidecars whose endpoints have exited; return their names."""
        done = [f"{role}-netem" for role in ROLES if role in watch.members and watch.members[role].exit is not None]
        running = [name for name in done if watch.members[name].started and not watch.members[name].ended]
        watch.expect_exit(*running)
        for name in running:
            self._signal(watch.members[name], "SIGTERM")
        return running

    def _note_exits(self, watch: Watch) -> None:
        for name, member in watch.members.items():
            if member.sidecar is not None:
                self.outcome.sidecars[name.removesuffix("-netem")] = dict(member.sidecar.recorded)
            elif member.exit is not None:
                exit_ = member.exit
                self.outcome.exits[name] = ProgramExit(exit_code=exit_.code, oom_killed=exit_.oom_killed)

    def _stop(self, watch: Watch, names: list[str], seconds: float, already_signalled: Container[str] = ()) -> None:
        """Stop these and wait for their exits; those in `already_signalled` get no second SIGTERM."""
        running = [name for name in names if watch.members[name].started and not watch.members[name].ended]
        watch.expect_exit(*names)
        for signal, usual_s in (("SIGTERM", seconds), ("SIGKILL", FAST_STOP_S)):
            for name in running:
                if signal != "SIGTERM" or name not in already_signalled:
                    self._signal(watch.members[name], signal)
            timeout_s = usual_s * self._timeout_scale
            running = watch.wait_done(running, timeout_s)
            if not running:
                return
            self.outcome.notes.append(f"{', '.join(running)} did not exit within {timeout_s:g} s of {signal}")

    def _signal(self, member: Member, signal: str) -> None:
        try:
            self._engine.kill(member.handle, signal)
        except HostError as error:
            self._note(error.message, error)

    def _collect(self, stack: CellStack, role: str) -> None:
        # Through the endpoint, which mounts the same volume: the engine may still be stopping the sidecar.
        try:
            endpoint = stack.endpoints[role].result()
            notes = extract(self._engine.archive(endpoint, SHARED), self._folder / role)
        except HostError as error:
            self._note(f"{role}: {error.message}", error)
            return
        self.outcome.notes += [f"{role}: {note}" for note in notes]
        if not stack.kept:
            # Not earlier: /etc of an endpoint is its sidecar's, and reading fails while that is being removed.
            stack.remove(endpoint)
            stack.remove(stack.sidecars[role])
