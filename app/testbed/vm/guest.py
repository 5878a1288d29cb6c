"""Boot a guest and offer its Docker engine on a socket of this user: the one thing that the rest of the testbed needs.

with Guest(image) as guest:
    client = docker.DockerClient(base_url=guest.docker_url)
"""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from testbed.errors import HostError
from testbed.vm import run_dirs
from testbed.vm.accel import Accelerator, choose
from testbed.vm.errors import GuestError
from testbed.vm.qemu import KVM, TCG, Descriptors, Machine, command, state_key
from testbed.vm.qmp import Qmp
from testbed.vm.relay import Relay
from testbed.vm.store import Image, cache_dir, remove_parts

BOOT_S: Final = {KVM: 60.0, TCG: 600.0}  # measured under TCG: 10 s alone on two cores, 180 s beside a load of 25
RESUME_S: Final = 60.0
_STATE_S: Final = 120.0
_LOG_S: Final = 3.0
_LOG_LINES: Final = 5

Progress = Callable[[str], None]


def ignore(_line: str) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Say what a running guest is; `emulated` means that its time is not to be compared with a real machine's."""

    kernel: str
    kernel_version: str
    engine: str
    accelerator: str
    accelerator_reason: str
    emulated: bool
    qemu: str
    cpus: int
    memory_bytes: int
    boot_s: float
    resumed: bool
    image: str


class Guest:
    """Hold one running guest; a context manager."""

    def __init__(
        self,
        image: Image,
        *,
        cpus: int = 2,
        memory_mib: int = 1024,
        resume: bool = True,
        keep: bool = False,
        shell: socket.socket | None = None,
        timeout_s: float | None = None,
        progress: Progress = ignore,
    ) -> None:
        self.image = image
        self._machine = Machine(
            image.vmlinuz,
            image.initrd,
            image.disk,
            TCG,
            cpus=cpus,
            memory_mib=memory_mib,
            keep=keep,
            shell=shell is not None,
        )
        self._may_resume = resume and shell is None
        self._shell = shell
        self._timeout_s = timeout_s
        self._progress = progress
        self._cleanup = ExitStack()
        self._relay: Relay | None = None
        self._qmp: Qmp | None = None
        self._facts: Facts | None = None
        self._docker_socket = Path()

    @property
    def docker_url(self) -> str:
        """Return the address of the guest's Docker engine."""
        return f"unix://{self._docker_socket}"

    @property
    def facts(self) -> Facts:
        """Return what the guest is; only while it runs."""
        if self._facts is None:
            raise GuestError("ask a guest for its facts", "it does not run")
        return self._facts

    def console(self, lines: int = 15) -> list[str]:
        """Return the last lines of the guest's console."""
        return self._relay.console.tail(lines) if self._relay is not None else []

    def __enter__(self) -> Self:
        """Boot it, or resume it; raises GuestError."""
        try:
            self._start()
        except OSError as error:
            self._cleanup.close()
            raise GuestError("start a guest", str(error), hint=f"Is there room in {cache_dir()}?") from error
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, nothing of it is left; what failed because the guest has failed says so; raises GuestError."""
        failure = self.failure("keep a guest running") if isinstance(error, HostError) else None
        self._cleanup.close()
        if failure is not None:
            raise failure from error

    def failure(self, attempt: str) -> GuestError | None:
        """Return why the guest runs no more, as what became of an attempt; None while it runs."""
        reason = self._relay.failure if self._relay is not None else "it was not started"
        return GuestError(attempt, reason, console=self.console()) if reason else None

    def _start(self) -> None:
        parent = run_dirs.runs_dir()
        run_dirs.sweep(parent)
        cache = cache_dir()
        cache.mkdir(parents=True, exist_ok=True)
        remove_parts(cache)
        accelerator = choose(self.image.vmlinuz, cache / "accelerator.json")
        self._machine = replace(self._machine, accelerator=accelerator.name)
        state = self.image.state(state_key(self._machine, accelerator.qemu))
        start_s = time.monotonic()
        if self._may_resume and state.exists():
            self._machine = replace(self._machine, state=state)
            try:
                said = self._bring_up(parent)
            except GuestError as error:
                self._cleanup.close()
                self._machine = replace(self._machine, state=None)
                self._progress(f"the stored state of {self.image.name} is of no use ({error.reason}), so it is booted")
                said = self._bring_up(parent)
        else:
            said = self._bring_up(parent)
        self._facts = self._collect(said, accelerator, time.monotonic() - start_s)

    def _bring_up(self, parent: Path) -> dict[str, Any]:
        state = self._machine.state
        how = "resume" if state else "boot"
        kernel = f"kernel {self.image.version}"
        self._progress(f"{how.removesuffix('e')}ing {kernel} with {self._machine.accelerator}")
        folder = run_dirs.make_run_dir(parent)
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        relay, qmp = self._launch(folder)
        timeout_s = self._timeout_s or (RESUME_S if state else BOOT_S[self._machine.accelerator])
        try:
            if state is not None:
                qmp.resume(state, _STATE_S)
            relay.hello()
            said = relay.expect("ready", timeout_s, f"{how} {kernel}")
        except GuestError as error:
            raise self._explained(error, qmp) from error
        relay.guard()
        self.ask("wake", realtime_ns=time.time_ns(), entropy=secrets.token_hex(64))
        return said

    def _explained(self, error: GuestError, qmp: Qmp) -> GuestError:
        """Add what qemu and the guest's dockerd have to say, as far as they still answer."""
        ended = self.failure(error.attempt)
        why = ended.reason if ended else qmp.stop_reason()
        said = list(error.console) or self.console()
        with suppress(GuestError):
            said += str(self.ask("log", _LOG_S).get("text", "")).splitlines()[-_LOG_LINES:]
        reason = error.reason + (f" ({why})" if why and why not in error.reason else "")
        again = f"If that does not pass, `testbed vm rm {self.image.name}` has the guest built anew."
        hint = "" if self._machine.keep else again  # a guest that is being built is gone with the attempt
        return GuestError(error.attempt, reason, console=said, hint=hint)

    def _launch(self, folder: Path) -> tuple[Relay, Qmp]:
        port, port_there = socket.socketpair()
        console, console_there = socket.socketpair()
        control, control_there = socket.socketpair()
        theirs = [port_there, console_there, control_there, *([self._shell] if self._shell else [])]
        descriptors = Descriptors(*(sock.fileno() for sock in theirs))
        argv = command(self._machine, descriptors)
        setpriv = shutil.which("setpriv")
        if setpriv is not None:  # qemu dies with its owner at once; without it, at the next sweep
            argv = [setpriv, "--pdeathsig", "KILL", *argv]
        log = folder / "qemu.log"

        def spawn() -> "subprocess.Popen[bytes]":
            with log.open("wb") as out:
                return subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    pass_fds=[sock.fileno() for sock in theirs],
                    start_new_session=True,  # Ctrl-C is for its owner, who ends it
                )

        listener = socket.socket(socket.AF_UNIX)
        self._docker_socket = folder / "docker.sock"
        listener.bind(str(self._docker_socket))
        listener.listen(128)
        relay = self._relay = Relay(spawn, port=port, console=console, listener=listener, log=log)
        self._cleanup.callback(relay.stop)
        self._cleanup.callback(control.close)
        pid = relay.launch()
        for sock in theirs:
            sock.close()
        run_dirs.note_processes(folder, machine=pid)
        self._qmp = Qmp(control)
        relay.explain = self._qmp.stop_reason
        return relay, self._qmp

    def ask(self, verb: str, timeout_s: float = 60.0, **arguments: object) -> dict[str, Any]:
        """Have the guest's agent do something outside of Docker; return its answer; raises GuestError."""
        if self._relay is None:
            raise GuestError(f"ask a guest to {verb}", "it does not run")
        self._relay.say({"do": verb, **arguments})
        return self._relay.expect("done", timeout_s, f"ask the guest to {verb}")

    def sysctls(self, names: Sequence[str]) -> dict[str, str]:
        """Return the guest's sysctls of these paths below /proc/sys, by their dotted names; raises GuestError."""
        return dict(self.ask("sysctls", names=list(names))["sysctls"])

    def power_off(self, timeout_s: float = 120.0) -> None:
        """Stop Docker and switch the machine off, its disk clean; raises GuestError."""
        if self._relay is None:
            raise GuestError("switch a guest off", "it does not run")
        self._relay.guard(None)
        self._relay.say({"do": "poweroff"})
        if not self._relay.wait_exit(timeout_s):
            raise GuestError("switch a guest off", f"it still runs after {timeout_s:g} s", console=self.console())

    def store_state(self) -> Path:
        """Store the machine's state with the image, to be resumed from later; the guest is over then.

        States that another qemu or accelerator has stored belong to the disk as it was: they go.
        """
        if self._qmp is None or self._relay is None:
            raise GuestError("store a guest's state", "it does not run")
        self.ask("flush")
        self._relay.guard(None)
        path = self.image.state(state_key(self._machine, self.facts.qemu))
        part = path.with_name(f".{path.name}.part")
        self._qmp.store(part, _STATE_S)
        for other in self.image.states():
            other.unlink()
        part.replace(path)
        return path

    def _collect(self, said: dict[str, Any], accelerator: Accelerator, boot_s: float) -> Facts:
        return Facts(
            kernel=str(said["kernel"]),
            kernel_version=str(said["kernel_version"]),
            engine=str(said["engine"]),
            accelerator=accelerator.name,
            accelerator_reason=accelerator.reason,
            emulated=accelerator.name == TCG,
            qemu=accelerator.qemu,
            cpus=int(said["cpus"]),
            memory_bytes=int(said["memory_bytes"]),
            boot_s=round(boot_s, 2),
            resumed=self._machine.state is not None,
            image=self.image.name,
        )
