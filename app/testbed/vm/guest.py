"""Boot a guest VM and offer its Docker engine on a socket of this user, the only part of it that the testbed uses.

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
from testbed.stack.cancel import active_cancel
from testbed.vm import run_dirs
from testbed.vm.accel import Accelerator, choose
from testbed.vm.errors import GuestError
from testbed.vm.qemu import KVM, TCG, Descriptors, QemuMachine, command, state_key
from testbed.vm.qmp import Qmp
from testbed.vm.relay import Relay
from testbed.vm.store import GuestImage, cache_dir, remove_parts

BOOT_S: Final = {KVM: 60.0, TCG: 600.0}  # measured under TCG: 10 s on two idle cores, 180 s with a load of 25
RESUME_S: Final = 60.0
_STATE_S: Final = 120.0
_LOG_S: Final = 3.0
_LOG_LINES: Final = 5

Progress = Callable[[str], None]


def ignore(_line: str) -> None:
    """Ignore the line."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a running guest; `emulated`: its times are not comparable with a real machine's."""

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
    """One running guest; a context manager."""

    def __init__(
        self,
        image: GuestImage,
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
        self._machine = QemuMachine(
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
        """Return the facts about the guest; only while it runs."""
        if self._facts is None:
            raise GuestError("read the facts of a guest", "it is not running")
        return self._facts

    def console(self, lines: int = 15) -> list[str]:
        """Return the last lines of the guest's console."""
        return self._relay.console.tail(lines) if self._relay is not None else []

    def __enter__(self) -> Self:
        """Boot it, or restore its saved state; raises GuestError."""
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
        """Stop it and remove everything; GuestError replaces an error in the block if the guest's failure caused it."""
        failure = self.failure("run a guest") if isinstance(error, HostError) else None
        self._cleanup.close()
        if failure is not None:
            raise failure from error

    def failure(self, attempt: str) -> GuestError | None:
        """Return why the guest has stopped, as the error of an attempt; None while it runs."""
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
                ready = self._start_machine(parent)
            except GuestError as error:
                self._cleanup.close()
                self._machine = replace(self._machine, state=None)
                self._progress(f"the saved state of {self.image.name} cannot be restored ({error.reason}); booting")
                ready = self._start_machine(parent)
        else:
            ready = self._start_machine(parent)
        self._facts = self._collect(ready, accelerator, time.monotonic() - start_s)

    def _start_machine(self, parent: Path) -> dict[str, Any]:
        state = self._machine.state
        how = "restore" if state else "boot"
        kernel = f"kernel {self.image.version}"
        self._progress(f"{how.removesuffix('e')}ing {kernel} with {self._machine.accelerator}")
        folder = run_dirs.make_run_dir(parent)
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        relay, qmp = self._launch(folder)
        timeout_s = self._timeout_s or (RESUME_S if state else BOOT_S[self._machine.accelerator])
        with active_cancel().stopping(f"{how} {kernel}", relay.abort):
            try:
                if state is not None:
                    qmp.resume(state, _STATE_S)
                relay.hello()
                ready = relay.expect("ready", timeout_s, f"{how} {kernel}")
            except GuestError as error:
                raise self._with_reports(error, qmp) from error
        relay.set_watchdog()
        self.request("wake", realtime_ns=time.time_ns(), entropy=secrets.token_hex(64))
        return ready

    def _with_reports(self, error: GuestError, qmp: Qmp) -> GuestError:
        """Add the reports of qemu and of the guest's dockerd, as far as they still reply."""
        failure = self.failure(error.attempt)
        cause = failure.reason if failure else qmp.stop_reason()
        lines = list(error.console) or self.console()
        with suppress(GuestError):
            lines += str(self.request("log", _LOG_S).get("text", "")).splitlines()[-_LOG_LINES:]
        reason = error.reason + (f" ({cause})" if cause and cause not in error.reason else "")
        rebuild = f"If the error persists, `testbed vm rm {self.image.name}` makes the next run build the guest again."
        hint = "" if self._machine.keep else rebuild  # a failed build leaves no guest to remove
        return GuestError(error.attempt, reason, console=lines, hint=hint)

    def _launch(self, folder: Path) -> tuple[Relay, Qmp]:
        port, port_peer = socket.socketpair()
        console, console_peer = socket.socketpair()
        control, control_peer = socket.socketpair()
        theirs = [port_peer, console_peer, control_peer, *([self._shell] if self._shell else [])]
        descriptors = Descriptors(*(sock.fileno() for sock in theirs))
        argv = command(self._machine, descriptors)
        setpriv = shutil.which("setpriv")
        if setpriv is not None:  # qemu is killed with its owner at once; without it, by the next sweep
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
                    start_new_session=True,  # Ctrl-C goes to its owner only, which stops it
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
        relay.stop_reason = self._qmp.stop_reason
        return relay, self._qmp

    def request(self, verb: str, timeout_s: float = 60.0, **arguments: object) -> dict[str, Any]:
        """Send a request to the guest's agent and return the reply; raises GuestError."""
        if self._relay is None:
            raise GuestError(f"request {verb} from a guest", "it is not running")
        self._relay.send({"do": verb, **arguments})
        return self._relay.expect("done", timeout_s, f"request {verb} from the guest")

    def sysctls(self, names: Sequence[str]) -> dict[str, str]:
        """Return the guest's sysctls of these paths below /proc/sys, by their dotted names; raises GuestError."""
        return dict(self.request("sysctls", names=list(names))["sysctls"])

    def power_off(self, timeout_s: float = 120.0) -> None:
        """Stop Docker and power the machine off, with a clean disk; raises GuestError."""
        if self._relay is None:
            raise GuestError("power off a guest", "it is not running")
        self._relay.set_watchdog(None)
        self._relay.send({"do": "poweroff"})
        if not self._relay.wait_exit(timeout_s):
            raise GuestError("power off a guest", f"it did not stop within {timeout_s:g} s", console=self.console())

    def store_state(self) -> Path:
        """Save the machine's state with the image, to be restored later; the guest stops.

        States of another qemu or accelerator belong to the previous disk, so they are removed.
        """
        if self._qmp is None or self._relay is None:
            raise GuestError("save a guest's state", "it is not running")
        self.request("flush")
        self._relay.set_watchdog(None)
        qmp = self._qmp
        path = self.image.state(state_key(self._machine, self.facts.qemu))
        replace_states(self.image, path, lambda part: qmp.store(part, _STATE_S))
        return path

    def _collect(self, ready: dict[str, Any], accelerator: Accelerator, boot_s: float) -> Facts:
        return Facts(
            kernel=str(ready["kernel"]),
            kernel_version=str(ready["kernel_version"]),
            engine=str(ready["engine"]),
            accelerator=accelerator.name,
            accelerator_reason=accelerator.reason,
            emulated=accelerator.name == TCG,
            qemu=accelerator.qemu,
            cpus=int(ready["cpus"]),
            memory_bytes=int(ready["memory_bytes"]),
            boot_s=round(boot_s, 2),
            resumed=self._machine.state is not None,
            image=self.image.name,
        )


def replace_states(image: GuestImage, path: Path, store: Callable[[Path], None]) -> None:
    """Let `store` write a state, and put it in the place of all others of the image, which belong to an older disk."""
    part = path.with_name(f".{path.name}.part")
    store(part)
    for other in image.states():
        other.unlink()
    part.replace(path)
