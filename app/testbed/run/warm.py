"""The rigs of warm cells, with the labels that their resources have: of one run, or of all runs of a process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

from testbed.ownership import Owner, ResourceLabels
from testbed.run.contract import timeout_scale
from testbed.run.machines import Machine
from testbed.run.rig import Rig, rig_key
from testbed.run.rigs import Lease, RigPool
from testbed.stack.cell import EndpointSpec


class WarmRigs:
    """Rigs for cells of any machine; thread-safe."""

    def __init__(self, run: str, owner: Owner, note: Callable[[str], None]) -> None:
        """`run` is the id in the labels of the rigs; `note` takes a sentence for each rig that is replaced or left."""
        self._run = run
        self._owner = owner
        self._pool: RigPool[Rig] = RigPool(note)
        self._numbers = count(1)

    @contextmanager
    def lease(
        self, machine: Machine, specs: Mapping[str, EndpointSpec], image: str, tun: Callable[[], bool]
    ) -> Iterator[Lease[Rig]]:
        """Provide a rig for endpoints of these specs, an idle one or a new one. Raises HostError, CapabilityError."""

        def make() -> Rig:
            return Rig(
                machine.engine,
                ResourceLabels(self._run, f"rig-{next(self._numbers)}", self._owner, keep=False),
                specs,
                image,
                tun=tun(),
                timeout_scale=timeout_scale(emulated=machine.emulated),
                disposable=bool(machine.facts),
            )

        with self._pool.lease((id(machine.engine), image, rig_key(specs)), make) as lease:
            yield lease

    def settle(self) -> None:
        """Wait until everything is removed that ended cells have left."""
        self._pool.settle()

    def close(self) -> None:
        """Close all rigs; none may be in use."""
        self._pool.close()

    @property
    def left(self) -> bool:
        """Return whether a resource could not be removed."""
        return self._pool.left
