"""Where cells run: on this host's engine, or on that of a guest with a kernel of choice, one guest at a time.

A guest is up in a second when its state was stored, so changing between kernels costs little, and two emulated
guests at once would spoil each other's time.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from testbed.errors import HostError
from testbed.run.contract import patience
from testbed.run.host import SYSCTLS
from testbed.scenario.model import HOST
from testbed.stack.docker_engine import REQUEST_TIMEOUT_S, DockerEngine
from testbed.stack.images import DOCKERFILES, Images
from testbed.stack.ports import Runtime

if TYPE_CHECKING:
    from testbed.vm.guest import Guest


@dataclass(frozen=True, slots=True)
class Place:
    """An engine to run cells on; `machine` has the facts of the guest, and is empty on the host itself.

    `trouble` returns why the engine is no more, or nothing while it is there.
    """

    engine: Runtime
    machine: dict[str, Any] = field(default_factory=dict)
    trouble: Callable[[], HostError | None] = lambda: None

    @property
    def emulated(self) -> bool:
        """Return whether time there is not to be compared with a real machine's."""
        return bool(self.machine.get("emulated"))


class Places(Protocol):
    """What a run asks for the engine of a kernel."""

    def at(self, kernel: str, tags: Sequence[str]) -> Place:
        """Return the place of a kernel, with images of these tags in its store; raises HostError."""


class HostOnly:
    """The one place of a run that asks for no kernel."""

    def __init__(self, engine: Runtime) -> None:
        self._place = Place(engine)

    def at(self, kernel: str, tags: Sequence[str]) -> Place:  # noqa: ARG002 - as the protocol has it
        """Return this host; raises HostError for anything else."""
        if kernel != HOST:
            raise HostError(f"run with kernel {kernel}: this run has the host's engine only")
        return self._place


class Guests:
    """The host and guests, each booted when a cell first asks for it; a context manager."""

    def __init__(self, engine: Runtime, images: Images, progress: Callable[[str], None]) -> None:
        self._host = Place(engine)
        self._images = images
        self._progress = progress
        self._kernel = HOST
        self._place = self._host
        self._guest: Guest | None = None
        self._failed: dict[str, HostError] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Guests":
        """Boot nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the guest that runs."""
        self.close()

    def at(self, kernel: str, tags: Sequence[str]) -> Place:
        """Return the place of a kernel; raises HostError, for each cell of a kernel that does not come up the same.

        Another guest that runs is ended first; one that has failed in an earlier cell is booted again.
        """
        if kernel == HOST:
            return self._host
        if kernel in self._failed:
            raise self._failed[kernel]
        if kernel != self._kernel or self._place.trouble() is not None:
            self.close()
            try:
                self._boot(kernel)
            except HostError as error:
                self._failed[kernel] = error
                raise
            self._kernel = kernel
        self._provide(tags)
        return self._place

    def url(self, kernel: str) -> str:
        """Return the address of a guest's engine, for other clients; it is booted if need be; raises HostError."""
        self.at(kernel, ())
        assert self._guest is not None
        return self._guest.docker_url

    def close(self) -> None:
        """End the guest that runs; another one may follow."""
        self._kernel = HOST
        self._open.close()

    def _boot(self, kernel: str) -> None:
        from testbed.vm.build import ensure  # noqa: PLC0415 - only a run with a guest pays for it
        from testbed.vm.guest import Guest  # noqa: PLC0415

        ours = [self._images.ours(name)[0] for name in DOCKERFILES]
        image = ensure(kernel, ours, self._progress)
        guest = self._guest = self._open.enter_context(Guest(image, progress=self._progress))
        engine = DockerEngine(guest.docker_url, REQUEST_TIMEOUT_S * patience(emulated=guest.facts.emulated))
        self._open.callback(engine.close)
        engine.connect()
        facts = asdict(guest.facts) | {"sysctls": guest.sysctls(SYSCTLS)}
        self._progress(f"kernel {facts['kernel']} is up after {facts['boot_s']} s, {facts['accelerator']}")
        self._place = Place(engine, facts, lambda: guest.trouble(f"run a cell with kernel {facts['kernel']}"))

    def _provide(self, tags: Sequence[str]) -> None:
        """Copy in what the guest image was not built with: programs that are not ours."""
        engine, guest = self._place.engine, self._guest
        assert isinstance(engine, DockerEngine)
        assert guest is not None
        missing = [tag for tag in tags if engine.image(tag) is None]
        if missing:
            from testbed.stack.docker_cli import copy_images  # noqa: PLC0415 - as above

            self._progress(f"copying {', '.join(missing)} into the guest")
            copy_images(missing, guest.docker_url)
