"""The machines that cells run on: this host, or a guest VM with a chosen kernel, one guest at a time.

A guest with a saved state starts within a second, so changing between kernels costs little, and two emulated
guests at once would distort each other's times.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from testbed.errors import HostError
from testbed.run.contract import timeout_scale
from testbed.run.host import SYSCTLS
from testbed.scenario.model import HOST
from testbed.stack.docker_engine import REQUEST_TIMEOUT_S, DockerEngine
from testbed.stack.images import DOCKERFILES, Images
from testbed.stack.ports import ContainerEngine

if TYPE_CHECKING:
    from testbed.vm.guest import Guest


@dataclass(slots=True)
class Machine:
    """A container engine and the kernel below it; `facts` describe a guest VM, and are empty for the host itself.

    `failure` returns why the machine no longer runs, or nothing while it does.
    """

    engine: ContainerEngine
    facts: dict[str, Any] = field(default_factory=dict)
    failure: Callable[[], HostError | None] = lambda: None
    tun: bool | None = None
    """Whether its kernel offers /dev/net/tun; None before the first cell, which tries it."""
    real_time: bool = True
    """Whether sidecars request the capability for real time; not after the engine has refused it."""

    @property
    def emulated(self) -> bool:
        """Return whether its times are not comparable with a real machine's."""
        return bool(self.facts.get("emulated"))


class Machines(Protocol):
    """The provider of a run's machines, one per kernel."""

    def at(self, kernel: str, tags: Sequence[str]) -> Machine:
        """Return the machine of a kernel, with images of these tags in its store; raises HostError."""


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

    def at(self, kernel: str, tags: Sequence[str]) -> Machine:  # noqa: ARG002 - as the protocol has it
        """Return this host; raises HostError for any other kernel."""
        if kernel != HOST:
            raise HostError(f"run with kernel {kernel}: this run has no guest VMs")
        return self._machine


class Guests:
    """The host and guest VMs, each booted when a cell first requests it; a context manager."""

    def __init__(self, engine: ContainerEngine, images: Images, progress: Callable[[str], None]) -> None:
        self._host = Machine(engine)
        self._images = images
        self._progress = progress
        self._kernel = HOST
        self._machine = self._host
        self._guest: Guest | None = None
        self._failed: dict[str, HostError] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Guests":
        """Boot nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the running guest."""
        self.close()

    def at(self, kernel: str, tags: Sequence[str]) -> Machine:
        """Return the machine of a kernel; raises HostError, the same one for each cell of a kernel that did not boot.

        Another running guest is stopped first; a guest that failed in an earlier cell is booted again.
        """
        if kernel == HOST:
            return self._host
        if kernel in self._failed:
            raise self._failed[kernel]
        if kernel != self._kernel or self._machine.failure() is not None:
            self.close()
            try:
                self._boot(kernel)
            except HostError as error:
                self._failed[kernel] = error
                raise
            self._kernel = kernel
        self._copy_missing(tags)
        return self._machine

    def url(self, kernel: str) -> str:
        """Return the address of a guest's Docker engine, for other clients; boot it if necessary; raises HostError."""
        self.at(kernel, ())
        assert self._guest is not None
        return self._guest.docker_url

    def close(self) -> None:
        """Stop the running guest; another one may follow."""
        self._kernel = HOST
        self._open.close()

    def _boot(self, kernel: str) -> None:
        from testbed.vm.build import ensure  # noqa: PLC0415 - only a run with a guest VM imports it
        from testbed.vm.guest import Guest  # noqa: PLC0415

        ours = [self._images.ours(name)[0] for name in DOCKERFILES]
        image = ensure(kernel, ours, self._progress)
        guest = self._guest = self._open.enter_context(Guest(image, progress=self._progress))
        engine = DockerEngine(guest.docker_url, REQUEST_TIMEOUT_S * timeout_scale(emulated=guest.facts.emulated))
        self._open.callback(engine.close)
        engine.connect()
        facts = asdict(guest.facts) | {"sysctls": guest.sysctls(SYSCTLS)}
        self._progress(f"kernel {facts['kernel']} is ready after {facts['boot_s']} s, {facts['accelerator']}")
        self._machine = Machine(engine, facts, lambda: guest.failure(f"run a cell with kernel {facts['kernel']}"))

    def _copy_missing(self, tags: Sequence[str]) -> None:
        """Copy images that the guest was not built with: programs that are not ours."""
        missing = [tag for tag in tags if self._machine.engine.image(tag) is None]
        if missing:
            self._progress(f"copying {', '.join(missing)} to the guest VM")
            self._machine.engine.copy_images(missing)
