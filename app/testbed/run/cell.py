"""One cell from nothing to raw files: create, start in order, wait, stop, collect, remove.

Order: both sidecars start while the engine makes the endpoints; when the server's is ready the server starts; when a
socket listens and the client's sidecar has verified the link, the client starts. The cell is over when the client has
exited and no connection is left in the server's namespace. Whatever goes wrong, what there is of raw files is
collected.
"""

import contextlib
import time
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from testbed.errors import DeadlineError, EndpointError, EngineLostError, HostError, TestbedError
from testbed.result import Ending, Failure
from testbed.run.contract import SIDECAR_DEADLINE_S
from testbed.run.sidecar import SidecarState
from testbed.run.watch import Member, UnexpectedEndError, Watch
from testbed.scenario.ends import ROLES
from testbed.stack.cell import SHARED, CellStack, End, Identity, NoTunError, cell_stack, start_container
from testbed.stack.collect import extract
from testbed.stack.ports import Handle, Runtime

READY_S: Final = SIDECAR_DEADLINE_S + 15.0
"""A sidecar gives up by itself; the rest is for starting it on a loaded machine."""

LISTEN_S: Final = 20.0
STOP_S: Final = 10.0
"""A program must stop within a second of SIGTERM; a loaded machine gets ten."""

MERGE_S: Final = 120.0
"""A sidecar puts its capture in order when it stops: seconds for a million frames, and the cap allows 7 million."""

HURRY_S: Final = 3.0
"""The same when the cell has failed or was interrupted: somebody waits for the prompt."""

IDLE_S: Final = 20.0
"""A connection may outlive the client that opened it; it gets the rest of the cell's time, and at least this much."""

CAUSE_S: Final = 0.3

MORE_TIME: Final = "give it more time with --timeout, in a scenario file with the field timeout"

KILLED: Final = 128 + 9
"""Exit status of a container whose process SIGKILL has ended."""

Keep = Literal["never", "failed", "always"]


class Observer(Protocol):
    """Who looks on while a cell runs."""

    def phase(self, name: str) -> None:
        """Take note that the cell has come to this phase."""

    def progress(self, bytes_written: int, bytes_read: int) -> None:
        """Take note of how far the transfer is."""


@dataclass(slots=True)
class Outcome:
    """What happened, beside what lies in the folder."""

    endings: dict[str, Ending] = field(default_factory=dict)
    failure: Failure | None = None
    sidecars: dict[str, dict[str, object]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    phases_s: dict[str, float] = field(default_factory=dict)
    machine: dict[str, object] = field(default_factory=dict)
    kept: bool = False
    left: bool = False
    """Something could not be removed."""


def _failure_of(error: TestbedError) -> Failure:
    if isinstance(error, EndpointError):
        return Failure(kind="endpoint", role=error.role, message=error.message)
    kind: Literal["timeout", "environment"] = "timeout" if isinstance(error, DeadlineError) else "environment"
    return Failure(kind=kind, message=error.message, hint=error.hint)


def _explained(member: Member) -> TestbedError:
    if member.trouble is not None:
        return member.trouble
    exit_ = member.exit
    if member.sidecar is None:
        assert exit_ is not None
        return EndpointError(member.name, exit_.code, oom_killed=exit_.oom_killed, tail=list(member.tail))
    said, hint = member.sidecar.trouble
    tail = "".join(f"\n  {line}" for line in member.tail)
    message = said or f"it ended{f' with exit status {exit_.code}' if exit_ else ''}{tail}"
    return HostError(f"the sidecar of the {member.name.removesuffix('-netem')}: {message}", hint=hint)


def _culprit(watch: Watch, member: Member) -> Member:
    """Return who is to blame for an end: a sidecar takes the processes of its endpoint along, whose end comes first."""
    sidecar = watch.members.get(f"{member.name}-netem")
    if sidecar is None or member.exit is None or member.exit.code != KILLED:
        return member
    watch.wait_done([sidecar.name], CAUSE_S)
    return sidecar if sidecar.done else member


def _sidecar_failure(watch: Watch) -> Failure | None:
    """Return what a sidecar could not do although the endpoints were served to the end, as over an open link."""
    said = [member for member in watch.members.values() if member.sidecar is not None and member.sidecar.error]
    return _failure_of(_explained(said[0])) if said else None


def _sidecar(watch: Watch, role: str) -> SidecarState:
    state = watch.members[f"{role}-netem"].sidecar
    assert state is not None
    return state


class CellRun:
    """One cell under way; with `patience`, everything but the transfer may take so many times longer."""

    def __init__(
        self,
        engine: Runtime,
        folder: Path,
        observer: Observer,
        outcome: Outcome,
        *,
        clock: Callable[[], float] = time.monotonic,
        meanwhile: Callable[[], None] = lambda: None,
        patience: float = 1.0,
    ) -> None:
        """`meanwhile` is called when nothing is left to do but wait for the sidecars; it must return at once."""
        self._engine = engine
        self._folder = folder
        self._observer = observer
        self._clock = clock
        self._meanwhile = meanwhile
        self._patience = patience
        self.outcome = outcome

    def run(
        self, identity: Identity, ends: Mapping[str, End], netem_image: str, deadline_s: float, *, keep: Keep, tun: bool
    ) -> None:
        """Carry the cell out; every TestbedError but NoTunError becomes the outcome's failure once containers exist."""
        with cell_stack(
            self._engine,
            identity,
            ends,
            netem_image,
            tun=tun,
            complain=self._note_left,
        ) as stack:
            watch = Watch(self._engine, self._clock)
            try:
                self._exchange(stack, watch, deadline_s)
            except NoTunError:
                raise
            except UnexpectedEndError as end:
                self.outcome.failure = _failure_of(_explained(_culprit(watch, end.member)))
            except TestbedError as error:
                self.outcome.failure = _failure_of(error)
            finally:
                self._wind_down(stack, watch, keep)
        watch.close()

    def _note_left(self, failure: HostError) -> None:
        self.outcome.left = True
        self._note(f"left behind: {failure.message}", failure)

    def _note(self, sentence: str, error: HostError) -> None:
        # Without an engine every attempt fails for one and the same reason.
        if isinstance(error, EngineLostError):
            sentence = f"nothing could be collected or removed any more; to do: {error.hint}"
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
        # Before anything is announced: an interruption at any moment then leaves what the sidecars have said.
        for role in ("server", "client"):
            self._attach(watch, f"{role}-netem", stack.sidecars[role])
        with ThreadPoolExecutor(2) as pool:
            with self._phase("link"):
                server_link, client_link = (
                    pool.submit(self._start, watch, f"{role}-netem") for role in ("server", "client")
                )
                for role in ("server", "client"):
                    self._attach(watch, role, stack.endpoints[role].result())
                self._meanwhile()
                server_link.result()
            with self._phase("verify"):
                self._bring_up_server(watch)
                client_link.result()
                client = _sidecar(watch, "client")
                watch.wait("the client's sidecar to be ready", lambda: client.ready, READY_S * self._patience)
        self._transfer(watch, deadline_s)

    def _bring_up_server(self, watch: Watch) -> None:
        sidecar = _sidecar(watch, "server")
        watch.wait("the server's sidecar to be ready", lambda: sidecar.ready, READY_S * self._patience)
        self._start(watch, "server")
        watch.wait("the server to listen", lambda: bool(sidecar.listening), LISTEN_S * self._patience)

    def _start(self, watch: Watch, name: str) -> None:
        member = watch.members[name]
        start_container(self._engine, member.handle)
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
            watch.expect_end("client")
            self._start(watch, "client")
            end_s = self._clock() + deadline_s
            watch.wait("the client to end", lambda: watch.members["client"].ended, deadline_s, hint=MORE_TIME)
            self._check_client(watch)
            # A short connection may not have been seen at all, so that only an answer to a question is an answer.
            idles = server.idles
            rest_s = max(IDLE_S * self._patience, end_s - self._clock())
            self._engine.kill(watch.members["server-netem"].handle, "SIGUSR1")
            watch.wait("the last connection to end", lambda: server.idles > idles, rest_s)

    def _check_client(self, watch: Watch) -> None:
        client, server = watch.members["client"], watch.members["server"]
        if client.exit is not None and client.exit.code == 0:
            return
        # A client fails because its server has died; that is then the news, and it may be a moment behind.
        watch.wait_done(["server"], CAUSE_S)
        raise _explained(_culprit(watch, server if server.ended else client))

    def _wind_down(self, stack: CellStack, watch: Watch, keep: Keep) -> None:
        """Stop programs, then sidecars, then fetch the raw files; nothing here ends the collecting early."""
        outcome = self.outcome
        failed = (outcome.failure or _sidecar_failure(watch)) is not None
        stack.kept = outcome.kept = keep == "always" or (keep == "failed" and failed)
        hurry = failed or "transfer" not in outcome.phases_s
        with self._phase("collect"), ThreadPoolExecutor(len(ROLES)) as pool:
            early = self._stop_early(watch)
            self._stop(watch, [name for name in ROLES if name in watch.members], HURRY_S if hurry else STOP_S)
            sidecars = [f"{role}-netem" for role in ROLES if f"{role}-netem" in watch.members]
            self._stop(watch, sidecars, HURRY_S if hurry else MERGE_S, told=early)
            self._note_endings(watch)
            outcome.failure = outcome.failure or _sidecar_failure(watch)
            list(pool.map(lambda role: self._collect(stack, role), ROLES))
            if not stack.kept:
                stack.remove(stack.network)
        outcome.notes += watch.flaws()

    def _stop_early(self, watch: Watch) -> list[str]:
        """Tell the sidecars to stop whose endpoints have ended by themselves; return their names."""
        done = [f"{role}-netem" for role in ROLES if role in watch.members and watch.members[role].exit is not None]
        alive = [name for name in done if watch.members[name].started and not watch.members[name].ended]
        watch.expect_end(*alive)
        for name in alive:
            self._signal(watch.members[name], "SIGTERM")
        return alive

    def _note_endings(self, watch: Watch) -> None:
        for name, member in watch.members.items():
            if member.sidecar is not None:
                self.outcome.sidecars[name.removesuffix("-netem")] = dict(member.sidecar.recorded)
            elif member.exit is not None:
                exit_ = member.exit
                self.outcome.endings[name] = Ending(exit_code=exit_.code, oom_killed=exit_.oom_killed)

    def _stop(self, watch: Watch, names: list[str], seconds: float, told: Container[str] = ()) -> None:
        """Wait until these have stopped; those who were `told` need no SIGTERM any more."""
        alive = [name for name in names if watch.members[name].started and not watch.members[name].ended]
        watch.expect_end(*names)
        for signal, usual_s in (("SIGTERM", seconds), ("SIGKILL", HURRY_S)):
            for name in alive:
                if signal != "SIGTERM" or name not in told:
                    self._signal(watch.members[name], signal)
            given_s = usual_s * self._patience
            alive = watch.wait_done(alive, given_s)
            if not alive:
                return
            self.outcome.notes.append(f"{', '.join(alive)}: no end within {given_s:g} s of {signal}")

    def _signal(self, member: Member, signal: str) -> None:
        try:
            self._engine.kill(member.handle, signal)
        except HostError as error:
            self._note(error.message, error)

    def _collect(self, stack: CellStack, role: str) -> None:
        # Through the endpoint, which sees the same volume: the engine may still be busy with the end of the sidecar.
        try:
            endpoint = stack.endpoints[role].result()
            notes = extract(self._engine.archive(endpoint, SHARED), self._folder / role)
        except HostError as error:
            self._note(f"{role}: {error.message}", error)
            return
        self.outcome.notes += [f"{role}: {note}" for note in notes]
        if not stack.kept:
            # Not sooner: what an endpoint has in /etc is its sidecar's, and reading beside its removal fails.
            stack.remove(endpoint)
            stack.remove(stack.sidecars[role])
