"""The machines that cells run on: this host, and guest VMs with chosen kernels, several at a time where memory allows.

A guest belongs to all cells of its kernel: the first one boots it while the others wait, it stays while any of them
uses it, and stops when no cell needs its kernel any more, or when another kernel needs its memory.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from testbed.errors import HostError
from testbed.run.contract import timeout_scale
from testbed.run.gauge import read_machine
from testbed.run.host import SYSCTLS
from testbed.scenario.model import HOST
from testbed.schedule.guests import fits_in_memory, to_stop
from testbed.stack.cancel import Cancel, CanceledError
from testbed.stack.images import DOCKERFILES, Images
from testbed.stack.ports import ContainerEngine


@dataclass(slots=True)
class Machine:
    """A container engine and the kernel below it; `facts` describe a guest VM, and are empty for the host itself.

    `failure` returns why the machine no longer runs, or nothing while it does. `lock` guards what its cells find out.
    """

    engine: ContainerEngine
    facts: dict[str, Any] = field(default_factory=dict)
    failure: Callable[[], HostError | None] = lambda: None
    tun: bool | None = None
    """Whether its kernel offers /dev/net/tun; None before the first cell, which tries it."""
    real_time: bool = True
    """Whether sidecars request the capability for real time; not after the engine has refused it."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def emulated(self) -> bool:
        """Return whether its times are not comparable with a real machine's."""
        return bool(self.facts.get("emulated"))


class Machines(Protocol):
    """The provider of a run's machines, one per kernel; thread-safe."""

    def lease(self, kernel: str, tags: Sequence[str]) -> AbstractContextManager[Machine]:
        """Provide the machine of a kernel, with images of these tags in its store; raises HostError."""

    def retire(self, kernel: str) -> None:
        """Note that no further cell needs this kernel."""

    def cancel_boots(self) -> None:
        """Stop all boots and builds; their cells get CanceledError. Returns at once."""


def guest_facts(kernel: str) -> Mapping[str, Any] | None:
    """Return what the guest VM is made of that a kernel's name selects; None if there is no image of it yet."""
    from testbed.vm.disk import recipe_hash  # noqa: PLC0415 - only a run with a guest VM imports it
    from testbed.vm.store import cache_dir, list_images, matches  # noqa: PLC0415

    recipe = recipe_hash()
    found = [image for image in list_images(cache_dir()) if matches(image, kernel) and image.recipe == recipe]
    return {"kernel": found[-1].version, "release": found[-1].release, "recipe": recipe} if found else None


class HostOnly:
    """The host alone, for a run whose cells request no kernel."""

    def __init__(self, engine: ContainerEngine) -> None:
        self._machine = Machine(engine)

    @contextmanager
    def lease(self, kernel: str, tags: Sequence[str]) -> Iterator[Machine]:  # noqa: ARG002 - as the protocol has it
        """Provide this host; raises HostError for any other kernel."""
        if kernel != HOST:
            raise HostError(f"run with kernel {kernel}: this run has no guest VMs")
        yield self._machine

    def retire(self, kernel: str) -> None:
        """Ignore it: the host stays."""

    def cancel_boots(self) -> None:
        """Do nothing: nothing boots."""


_LOOK_AGAIN_S: Final = 5.0
"""How often a boot that waits for memory looks whether there is enough."""


class _Shared:
    """One guest, from its boot to its end, with the number of cells in it."""

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel
        self.cancel = Cancel()
        self.open = ExitStack()
        self.copying = threading.Lock()
        self.cells = 1
        self.idle_since_s = 0.0
        self.up = False
        self.error: HostError | None = None
        self.machine: Machine | None = None
        self.url = ""

    @property
    def over(self) -> bool:
        """Return whether no further cell may enter: it did not boot, or it has failed."""
        return self.error is not None or (self.machine is not None and self.machine.failure() is not None)


class Guests:
    """The host and guest VMs, each booted when a cell first requests it; a context manager."""

    def __init__(
        self,
        engine: ContainerEngine,
        images: Images,
        progress: Callable[[str], None],
        *,
        stay: bool = False,
        available_bytes: Callable[[], int | None] = lambda: read_machine().available_bytes,
    ) -> None:
        """`stay`: guests stay although no cell needs them, for another run."""
        self._host = Machine(engine)
        self._images = images
        self._progress = progress
        self._stay = stay
        self._available_bytes = available_bytes
        # Reentrant: a signal handler may stop the boots.
        self._changed = threading.Condition(threading.RLock())
        self._running: dict[str, _Shared] = {}
        self._retired: set[str] = set()
        self._failed: dict[str, HostError] = {}

    def __enter__(self) -> "Guests":
        """Boot nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all guests."""
        self.close()

    @contextmanager
    def lease(self, kernel: str, tags: Sequence[str]) -> Iterator[Machine]:
        """Provide the machine of a kernel; raises HostError, the same one for each cell of a kernel that does not boot.

        A guest that failed in an earlier cell is booted again, once for all that follow.
        """
        if kernel == HOST:
            yield self._host
            return
        shared = self._enter(kernel)
        try:
            assert shared.machine is not None
            self._copy_missing(shared, shared.machine.engine, tags)
            yield shared.machine
        finally:
            self._leave(shared)

    def retire(self, kernel: str) -> None:
        """Stop the guest of a kernel that no further cell needs, as soon as no cell is in it."""
        with self._changed:
            if self._stay:
                return
            self._retired.add(kernel)
            shared = self._running.get(kernel)
            if shared is None or shared.cells:
                return
            del self._running[kernel]
        self._stop(shared)

    def cancel_boots(self) -> None:
        """Stop all boots and builds; their cells get CanceledError."""
        for shared in list(self._running.values()):
            if not shared.up:
                shared.cancel.set()

    def url(self, kernel: str) -> str:
        """Return the address of a guest's Docker engine, for other clients; boot it if necessary; raises HostError."""
        with self.lease(kernel, ()):
            return self._running[kernel].url

    def close(self) -> None:
        """Stop all guests; others may follow."""
        self.cancel_boots()
        with self._changed:
            every = list(self._running.values())
            self._running.clear()
        for shared in every:
            self._stop(shared)

    def _enter(self, kernel: str) -> _Shared:
        """Be in a guest that runs: boot it, or wait for whoever boots it."""
        with self._changed:
            shared = self._running.get(kernel)
            if shared is not None and shared.over:
                self._discard(shared)
                shared = None
            if kernel in self._failed:
                raise self._failed[kernel]
            if shared is not None:
                return self._join(shared)
            shared = self._running[kernel] = _Shared(kernel)
        self._boot_in_its_turn(shared)
        return shared

    def _join(self, shared: _Shared) -> _Shared:
        shared.cells += 1
        self._changed.wait_for(lambda: shared.up or shared.error)
        if shared.error is not None:
            shared.cells -= 1
            raise shared.error
        return shared

    def _boot_in_its_turn(self, shared: _Shared) -> None:
        """Boot a guest; whoever waits for it gets the same error."""
        try:
            self._make_room(shared)
            with shared.cancel.active():
                self._boot(shared)
            shared.cancel.check(f"boot a guest with kernel {shared.kernel}")
        except BaseException as error:
            shared.open.close()
            failure = error if isinstance(error, HostError) else HostError(f"boot {shared.kernel}: interrupted")
            with self._changed:
                shared.error = failure
                if isinstance(error, HostError) and not isinstance(error, CanceledError):
                    self._failed[shared.kernel] = error
                self._discard(shared)
                self._changed.notify_all()
            raise
        with self._changed:
            shared.up = True
            self._changed.notify_all()

    def _make_room(self, shared: _Shared) -> None:
        """Stop idle guests until there is memory for one more, or wait for a busy one to end."""
        while True:
            with self._changed:
                others = [each for each in self._running.values() if each is not shared]
                if fits_in_memory(self._available_bytes(), len(others)):
                    return
                idle = sorted((each for each in others if not each.cells), key=lambda each: each.idle_since_s)
                kernel = to_stop([each.kernel for each in idle], {each.kernel for each in others} - self._retired)
                if kernel is None:
                    self._changed.wait(_LOOK_AGAIN_S)
                    shared.cancel.check(f"boot a guest with kernel {shared.kernel}")
                    continue
                victim = self._running.pop(kernel)
            self._progress(f"stopping the guest with kernel {kernel}, whose memory another one needs")
            self._stop(victim)

    def _leave(self, shared: _Shared) -> None:
        with self._changed:
            shared.cells -= 1
            shared.idle_since_s = time.monotonic()
            over = shared.over or shared.kernel in self._retired
            if over and self._running.get(shared.kernel) is shared:
                del self._running[shared.kernel]
            last = not shared.cells and self._running.get(shared.kernel) is not shared
            self._changed.notify_all()
        if last:
            self._stop(shared)

    def _discard(self, shared: _Shared) -> None:
        """Let no further cell enter; the last one that leaves stops it."""
        if self._running.get(shared.kernel) is shared:
            del self._running[shared.kernel]
            if not shared.cells:
                shared.open.close()  # it has failed, so this takes no time

    def _stop(self, shared: _Shared) -> None:
        shared.cancel.set()
        shared.open.close()
        with self._changed:
            self._changed.notify_all()

    def _boot(self, shared: _Shared) -> None:
        from testbed.stack.docker_engine import REQUEST_TIMEOUT_S, DockerEngine  # noqa: PLC0415 - slow to import
        from testbed.vm.build import ensure  # noqa: PLC0415 - only a run with a guest VM imports it
        from testbed.vm.guest import Guest  # noqa: PLC0415

        ours = [self._images.ours(name)[0] for name in DOCKERFILES]
        image = ensure(shared.kernel, ours, self._progress)
        guest = shared.open.enter_context(Guest(image, progress=self._progress))
        engine = DockerEngine(guest.docker_url, REQUEST_TIMEOUT_S * timeout_scale(emulated=guest.facts.emulated))
        shared.open.callback(engine.close)
        engine.connect()
        facts = asdict(guest.facts) | {"sysctls": guest.sysctls(SYSCTLS)}
        self._progress(f"kernel {facts['kernel']} is ready after {facts['boot_s']} s, {facts['accelerator']}")
        shared.url = guest.docker_url
        shared.machine = Machine(engine, facts, lambda: guest.failure(f"run a cell with kernel {facts['kernel']}"))

    def _copy_missing(self, shared: _Shared, engine: ContainerEngine, tags: Sequence[str]) -> None:
        """Copy images that the guest was not built with: programs that are not ours."""
        with shared.copying:
            missing = [tag for tag in tags if engine.image(tag) is None]
            if missing:
                self._progress(f"copying {', '.join(missing)} to the guest VM")
                engine.copy_images(missing)
